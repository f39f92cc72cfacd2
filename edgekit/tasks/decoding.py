"""Decoders of a task: from a detector's outputs to boxes, by a head's name or the user's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, NamedTuple, cast

from edgekit.agent.errors import AgentError
from edgekit.agent.serving.boxes import HEADS, Detections, detections
from edgekit.agent.serving.user_decoder import Decoded, WrongAnswer, read
from edgekit.errors import ModelError, UsageError
from edgekit.suggestions import suggest
from edgekit.tasks.losses import BoxForm, BoxSides, Factor, Scores
from edgekit.tasks.scores import Outputs
from edgekit.tasks.targets import Array
from edgekit.types import BoxDecoder, TaskSpec


class Instances(NamedTuple):
    """Things found in one sample, each with its mask."""

    boxes: Array
    """(found, 4): x1, y1, x2, y2 in pixels of the input."""
    scores: Array
    """(found,), from 0 to 1."""
    classes: Array
    """(found,)."""
    masks: Array
    """(found, height, width), boolean."""


Found = Detections | Instances
Decode = Callable[[Outputs], Iterable[Found]]
"""From outputs (n, ...) to what is found in each sample, one after another."""
_ANY_SCORE = 0.001
"""The least score of a box that a metric counts, as COCO's evaluations have it."""
REFERENCE = ":"
"""Part of a decoder that is a function of the user's, `decode.py:boxes`."""


def described(task: TaskSpec) -> dict[str, Any] | None:
    """A task's decoder as a manifest has it; `None` without one, or with one of the user's."""
    given = task.box_decoder
    if given is None or REFERENCE in given.head:
        return None
    return {**asdict(given), "background": task.background}


def check(given: BoxDecoder) -> None:
    """Raise `UsageError` for a head that is not known."""
    if REFERENCE not in given.head and given.head not in HEADS:
        raise UsageError(
            f"[task] decoder '{given.head}' is unknown.{suggest(given.head, HEADS)} Known: "
            f"{', '.join(HEADS)}, or a function of yours: 'decode.py:boxes'."
        )


def named(task: TaskSpec) -> Decode:
    """The decoder of a head, which raises `ModelError` for outputs that are not its own."""
    how = described(task) or {}

    def decode(outputs: Outputs) -> list[Detections]:
        try:
            return [detections(one, how, confidence=_ANY_SCORE) for one in outputs]
        except AgentError as error:
            raise ModelError(str(error)) from error

    return decode


def of_function(run: Callable[..., Any], name: str) -> Decode:
    """A decoder from the user's function of one sample's output, which returns boxes (found, 4),
    scores (found,) and classes (found,); raises `UsageError` where it does not."""

    def one(output: Outputs) -> Detections:
        found = _read(run, output, name, masks=False)
        return Detections(found.boxes, found.scores, found.classes)

    return lambda outputs: [one(output) for output in outputs]


def of_mask_function(run: Callable[..., Any], name: str) -> Decode:
    """A decoder from the user's function of one sample's output, which returns boxes (found, 4),
    masks (found, height, width), true or above one half where the thing is, scores (found,) and
    classes (found,); raises `UsageError` where it does not.

    A sample is decoded when it is asked for: the masks of all would fill the memory.
    """

    def one(output: Outputs) -> Instances:
        boxes, scores, classes, masks = _read(run, output, name, masks=True)
        return Instances(boxes, scores, classes, cast(Array, masks))

    return lambda outputs: map(one, outputs)


def _read(
    run: Callable[..., Any], output: Outputs, name: str, *, masks: bool
) -> Decoded:
    try:
        return read(run, output, name, masks=masks)
    except WrongAnswer as error:
        raise UsageError(str(error)) from error


def form(task: TaskSpec) -> BoxForm:
    """The form of a detector's outputs by its head, or as without one."""
    given = task.box_decoder
    head = None if given is None else HEADS.get(given.head)
    if given is None or head is None:
        return BoxForm(background=task.background)
    return BoxForm(
        scores=cast(Scores, head.scores),
        background=head.background if task.background is None else task.background,
        factor=cast(Factor | None, head.factor),
        bins=given.bins if head.distributions else None,
        sides=cast(BoxSides | None, head.sides),
        listed=head.listed,
    )


def channels_first(task: TaskSpec) -> bool:
    """Return whether outputs are (batch, values, places)."""
    given = task.box_decoder
    known = None if given is None else HEADS.get(given.head)
    return known is not None and known.channels_first
