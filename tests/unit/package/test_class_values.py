"""A contract in the words of a programming language."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.package import class_values
from edgekit.package.android.kotlin import KOTLIN
from edgekit.package.class_values import MOST_LABELS, answer


def contract(**changes: Any) -> dict[str, Any]:
    outputs = [{"name": "y", "shape": [1, 3, 8, 6]}, {"name": "z", "shape": [1, 5]}]
    plain = {"form": "label", "reads": [], "axis": 1, "postprocess": None}
    plain["decoder"] = None
    return {**plain, "outputs": outputs, "labels": None, **changes}


@pytest.mark.parametrize(
    ("changes", "axis", "shape"),
    [
        ({"form": "classes"}, 1, [8, 6]),
        ({"form": "classes", "axis": -1}, 3, [3, 8]),
        ({"form": "classes", "postprocess": "argmax"}, 1, [3, 8, 6]),
    ],
)
def test_places_have_the_shape_without_the_classes(
    changes: dict[str, Any], axis: int, shape: list[int]
) -> None:
    found = answer(contract(**changes))
    assert (found["axis"], found["answer_shape"]) == (axis, shape)


def test_an_answer_reads_the_named_output() -> None:
    assert answer(contract(reads=["z"]))["reads"] == [1]
    assert answer(contract())["reads"] == [0]


@pytest.mark.parametrize(
    ("labels", "count"), [(["a"] * 3, 3), (["a"] * 2, 0), (None, 0)]
)
def test_labels_are_constants_where_they_are_those_of_the_classes(
    labels: list[str] | None, count: int
) -> None:
    assert len(class_values._labels(contract(labels=labels), KOTLIN)) == count


def test_too_many_labels_are_no_constants() -> None:
    most = MOST_LABELS + 1
    one = {"name": "y", "shape": [1, most]}
    many = contract(labels=["a"] * most, outputs=[one])
    assert class_values._labels(many, KOTLIN) == []


def test_a_comment_is_not_ended_by_a_name() -> None:
    assert class_values._comment("a*/\nb /*") == "a* / b / *"
