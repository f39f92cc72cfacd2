"""Things in an image, each with its box, its class and its own mask, by a decoder of the user's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgekit.errors import DataError, UsageError
from edgekit.tasks import TaskDefinition, decoding, losses, numbered, scores, targets
from edgekit.tasks.decoding import Decode, Instances
from edgekit.tasks.losses import TaskLosses
from edgekit.tasks.mean_average_precision import ALL, AT_HALF, figures, mask_figures
from edgekit.tasks.scores import Metric, Outputs
from edgekit.tasks.targets import NO_BOX, THINGS, Array, Names, Targets
from edgekit.tasks.things import Things
from edgekit.types import Evaluation, TaskSpec

_LAYERED = 4
"""Dimensions of maps in layers: (n, layers, height, width)."""


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """Maps (n, height, width), or (n, layers, height, width) where things overlap: 0 where nothing
    is, `class * 1000 + number` of a thing, numbers from 1, and -1 where unknown; see
    `TargetReader`."""
    if given.dtype.kind not in "ui" or given.ndim not in (_LAYERED - 1, _LAYERED):
        raise DataError(
            f"{origin} has targets of type {given.dtype} and shape {list(given.shape)}. Give a map "
            f"of things, (n, height, width): 0 for nothing, class * {THINGS} + the thing's number."
        )
    odd = (given < -1) | ((given > 0) & (given % THINGS == 0))
    if odd.any():
        raise DataError(
            f"{origin} has maps of things with {given[odd][0]}{numbered.within(odd)}. Give class "
            f"* {THINGS} + the thing's number, which counts from 1, 0 for nothing and -1 for "
            "unknown."
        )
    highest = int(given.max(initial=0)) // THINGS
    if labels and highest >= len(labels):
        raise DataError(
            f"{origin} has class {highest}{numbered.within(given >= len(labels) * THINGS)}, but "
            f"the classes are 0 to {len(labels) - 1}. Correct the maps, or [task] classes."
        )
    return given.astype(np.int32), labels or ()


def _metrics(decode: Decode) -> Mapping[str, Metric]:
    """By the masks that `decode` finds, or by its boxes."""
    return {
        "mask-map": _by_masks("mask mAP50-95", decode, ALL),
        "mask-map-50": _by_masks("mask mAP50", decode, AT_HALF),
        "box-map": _by_boxes("mAP50-95", decode, ALL),
    }


def _by_masks(metric: str, decode: Decode, figure: int) -> Metric:
    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        known = _known(targets)
        size = targets.shape[-2:]
        expected = ((t.masks, t.classes) for t in map(Things.of, targets[known]))
        found = (_fitting(one, size) for one in decode(outputs[known]))
        value = mask_figures(found, expected, size)[figure]
        return Evaluation(metric=metric, value=value, samples=int(known.sum()))

    return score


def _by_boxes(metric: str, decode: Decode, figure: int) -> Metric:
    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        known = _known(targets)
        rows = [Things.of(each).rows for each in targets[known]]
        padded = np.tile(
            np.array(NO_BOX, np.float32), (len(rows), max(map(len, rows)), 1)
        )
        for place, row in zip(padded, rows, strict=True):
            place[: len(row)] = row
        value = figures([*decode(outputs[known])], padded)[figure]
        return Evaluation(metric=metric, value=value, samples=int(known.sum()))

    return score


def _known(targets: Targets) -> Array:
    """Samples of which things are known, (n,), which may be none."""
    known = (targets >= 0).reshape(len(targets), -1).any(1)
    if targets.ndim < _LAYERED - 1 or not known.any():
        raise DataError(
            "The evaluation data have no masks of things. Point [data] test at some."
        )
    return np.asarray(known)


def _fitting(found: decoding.Found, size: tuple[int, ...]) -> Instances:
    assert isinstance(found, Instances)  # the kind's decoders return them
    if found.masks.shape[1:] != size:
        raise DataError(
            f"The decoder returned masks of {list(found.masks.shape[1:])} pixels, and those of the "
            f"evaluation data have {list(size)}. Return masks of the input's height and width."
        )
    return found


def _decoded(task: TaskSpec) -> TaskDefinition:
    given = task.box_decoder
    if given is not None and decoding.REFERENCE not in given.head:
        raise UsageError(
            f"[task] decoder '{given.head}' finds boxes without masks. Name a function of yours "
            "that returns boxes, masks, scores and classes of one sample's output: "
            "'decode.py:things'."
        )
    return RECORD


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=_read, masks=True, things=True),
    losses=TaskLosses(
        soft=lambda student, teacher, _: losses.relative_squared_error(student, teacher)
    ),
    metrics={},
    output="any form that the decoder reads",
    decoded=_decoded,
    box_metrics=_metrics,
    finds_masks=True,
    agreement=lambda outputs, others: scores.least_explained((outputs,), (others,)),
    batch_size=16,
)
