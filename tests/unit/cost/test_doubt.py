"""Costs that were timed on a busy machine."""

from __future__ import annotations

import pytest

from edgekit.cost import doubt
from edgekit.cost.measure import ANCHOR, OperatorCost
from edgekit.types.operator_shape import OperatorShape


def cell(cost: float = 10.0, **values: object) -> OperatorCost:
    given = {"rounds": (cost,), **values}
    return OperatorCost(cost=cost, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (cell(rounds=(10.0, 10.1, 14.0), anchor=5.0), False),
        (cell(rounds=(10.0, 11.5), anchor=5.0), True),
        (cell(rounds=(10.0, 10.1), anchor=6.0), True),
        (cell(rounds=(10.0, 10.1), anchor=5.0, fraction=0.5), True),
        (cell(rounds=(10.0,)), False),
    ],
)
def test_a_cell_is_doubtful(found: OperatorCost, expected: bool) -> None:
    assert doubt.doubtful(found, least=5.0) is expected


def test_few_wrong_cells_leave_a_table() -> None:
    good, bad = cell(rounds=(10.0, 10.1)), cell(rounds=(10.0, 20.0))

    def wrong(one: OperatorCost) -> bool:
        return doubt.unsteady(one, None)

    assert not doubt.many([*[good] * 9, bad], wrong)
    assert doubt.many([*[good] * 8, bad, bad], wrong)


def test_each_cell_has_the_anchor_of_its_batch() -> None:
    def fill(batch: list[OperatorShape]) -> dict[str, OperatorCost]:
        return {one.key: cell(7.0 if one == ANCHOR else 3.0) for one in batch}

    found = doubt.beside_anchor(fill, [])  # type: ignore[arg-type]
    assert [one.anchor for one in found.values()] == [7.0]
