"""The outputs that a task names, of those that a network has."""

from __future__ import annotations

import pytest

from edgekit.errors import ProjectError
from edgekit.tasks.reading import numbers
from edgekit.types import TaskSpec

KNOWN = ("boxes", "scores", "aux")


def detection(**names: object) -> TaskSpec:
    return TaskSpec(kind="detection", **names)  # type: ignore[arg-type]


def test_outputs_are_named_or_numbered() -> None:
    assert numbers(TaskSpec(), KNOWN) == ()
    assert numbers(TaskSpec(output="aux"), KNOWN) == (2,)
    assert numbers(TaskSpec(output=1), KNOWN) == (1,)
    assert numbers(detection(boxes="boxes", scores="scores"), KNOWN) == (0, 1)
    assert numbers(detection(scores=0, boxes=1), KNOWN) == (1, 0)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TaskSpec(output="logits"), r"'logits'.*boxes \(0\), scores \(1\), aux \(2\)"),
        (TaskSpec(output=3), r"output = 3 names none"),
        (detection(boxes="boxes", scores="score"), "scores = 'score'"),
        (detection(boxes="boxes"), "both or neither"),
        (detection(boxes=0, scores=1, output=2), "both or neither"),
        (TaskSpec(boxes=0, scores=1), "outputs of a detector.*classification"),
    ],
)
def test_what_is_not_there_is_one_line_with_what_is(task: TaskSpec, words: str) -> None:
    with pytest.raises(ProjectError, match=words) as error:
        numbers(task, KNOWN)
    assert "\n" not in str(error.value)
