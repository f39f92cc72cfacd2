"""The steps from outputs to boxes, for the code of applications."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.errors import UsageError
from edgekit.package import box_steps
from tests.heads import case


def test_a_grid_has_its_cells_and_anchors() -> None:
    how = case("ssd", 1).how
    steps = box_steps.of(how, [(1, 78, 8)], None)
    assert [(one["rows"], one["columns"]) for one in steps["levels"]] == [
        (5, 6),
        (3, 3),
    ]
    assert [len(one["anchors"]) for one in steps["levels"]] == [2, 2]
    assert (steps["background"], steps["classes"]) == (0, 4)


def test_a_background_counted_from_the_end_is_the_last_class() -> None:
    steps = box_steps.of(case("detr", 1).how, [(1, 40, 8)], None)
    assert steps["background"] == 3


@pytest.mark.parametrize(
    ("head", "shapes"),
    [
        ("dfl", [(1, 7, 19)]),  # no image has so many places
        ("dfl", [(1, 138, 16)]),  # no scores
        ("boxes", [(1, 40, 4), (1, 30, 3)]),
        ("ssd", [(1, 40, 8)]),
    ],
)
def test_outputs_of_another_head_are_refused(head: str, shapes: list[Any]) -> None:
    with pytest.raises(UsageError, match="decoder does not fit its outputs"):
        box_steps.of(case(head, 1).how, shapes, 3)
