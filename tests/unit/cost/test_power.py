"""Power by operator: which are metered, what of a meter holds, what the others draw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.cost.power import Power, corners, power
from edgekit.types.operator_shape import OperatorShape, operator_of

CONV = OperatorShape(kind="conv", inputs=16, outputs=16, size=(8, 8), kernel=(3, 3))
DEPTHWISE = replace(CONV, groups=16)
POOL = OperatorShape(
    kind="pool", inputs=8, outputs=8, size=(4, 4), stride=(2, 2), relu=True
)


@pytest.mark.parametrize("operator", [CONV, DEPTHWISE, POOL])
def test_an_operator_is_read_from_the_name_of_its_cell(operator: OperatorShape) -> None:
    assert operator_of(operator.key) == operator


def test_the_corners_of_each_family_are_metered() -> None:
    grid = [
        replace(CONV, inputs=read, outputs=write)
        for read in (4, 8, 16)
        for write in (2, 6, 32)
    ]
    line = [replace(DEPTHWISE, inputs=n, outputs=n, groups=n) for n in (4, 8, 12)]
    found = {(o.groups > 1, o.inputs, o.outputs) for o in corners([*grid, *line, POOL])}
    assert found == {
        *((False, read, write) for read in (4, 16) for write in (2, 32)),
        *((True, n, n) for n in (4, 12)),
        (False, 8, 8),
    }


@pytest.mark.parametrize(
    ("joules", "watts"),
    [
        ((1.0, 1.05), 2.05),
        ((1.0, 1.2), None),  # windows that differ by a fifth
        ((0.0, 0.0), None),  # a counter that stood still
        ((0.0, 1.0), None),
        ((1.0,), None),
        ((), None),
    ],
)
def test_windows_that_disagree_say_nothing(
    joules: tuple[float, ...], watts: float | None
) -> None:
    windows = [{"joules": each, "seconds": 0.5} for each in joules]
    assert power(windows) == (None if watts is None else pytest.approx(watts))


def test_what_was_not_metered_draws_what_is_near_to_it() -> None:
    narrow, wide = replace(CONV, outputs=4), replace(CONV, outputs=64)
    found = Power({narrow: 2.0, wide: 4.0})
    assert found.watts(narrow) == 2.0
    between = [found.watts(replace(CONV, outputs=n)) for n in (5, 16, 60)]
    assert all(2 < watts < 4 for watts in between if watts is not None)
    assert between == sorted(between, key=lambda watts: watts or 0)
    assert found.watts(POOL) == 3.0
    assert Power({}).watts(CONV) is None
