"""The steps from a detector's outputs to boxes, as the code of applications takes them.

Each head of `agent.serving.boxes` is a choice of few steps: the form of a box, the form of the
scores, what stands between them. Applications have code for the steps and none for the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.agent.errors import AgentError
from edgekit.agent.serving import boxes
from edgekit.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """The steps of one head."""

    box: str
    """`corners` or `centers`, in units of `unit`; around a cell `sides`, `distributions` or
    `cells`; around an anchor `offsets` or `logits`."""
    scores: str = "sigmoid"
    """Or `probabilities`, `softmax`, `listed` (a score and a class), `peaks` (of a heatmap)."""
    objectness: str | None = None
    """`product` with a number before the scores, or the `root` of it."""
    variances: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
    offset: float = 0.5
    """Of a cell's place from its corner, in strides."""
    anchors_first: bool = False
    """True where the places of one anchor follow each other."""


_HEADS = {
    "boxes": _Steps(box="corners", scores="probabilities"),
    "box-fractions": _Steps(box="corners", scores="probabilities"),
    "yolov8": _Steps(box="centers", scores="probabilities"),
    "yolo11": _Steps(box="centers", scores="probabilities"),
    "yolov10": _Steps(box="corners", scores="listed"),
    "yolov5": _Steps(box="centers", scores="probabilities", objectness="product"),
    "dfl": _Steps(box="distributions"),
    "yolov5-anchors": _Steps(box="logits", objectness="product", anchors_first=True),
    "ssd": _Steps(box="offsets", scores="softmax", variances=boxes.SSD_VARIANCES),
    "retinanet": _Steps(box="offsets", offset=0.0),
    "fcos": _Steps(box="sides", objectness="root"),
    "centernet": _Steps(box="cells", scores="peaks", offset=0.0),
    "detr": _Steps(box="centers", scores="softmax"),
    "rtdetr": _Steps(box="centers"),
}
_GRIDS = ("sides", "distributions", "cells", "offsets", "logits")


def of(
    how: Mapping[str, Any], shapes: Sequence[Sequence[int]], labels: int | None
) -> dict[str, Any]:
    """The steps for a manifest's `decoder` as JSON, for outputs of `shapes` that are read.

    `labels` is the number of the classes' names. Raises `UsageError` for outputs that are not the
    head's.
    """
    table = _table(how, shapes)
    head, steps = boxes.HEADS[how["head"]], _HEADS[how["head"]]
    places, columns = table.T.shape if head.channels_first else table.shape
    before = boxes.numbers_of_box(how) + (steps.objectness is not None)
    classes = labels if steps.scores == "listed" else columns - before
    background = how.get("background")
    background = head.background if background is None else background
    if background is not None and classes is not None:
        background %= classes  # numbers below 0 count from the end
    return {
        "box": steps.box,
        "scores": steps.scores,
        "objectness": steps.objectness,
        "columns": [_columns(shape) for shape in shapes],
        "channelsFirst": head.channels_first,
        "numbers": boxes.numbers_of_box(how),
        "bins": int(how["bins"]),
        "classes": classes,
        "background": background,
        "unit": list(how["size"][::-1]) if head.sized else [1, 1],
        "variances": list(steps.variances),
        "levels": _levels(how, steps, places),
        "offset": steps.offset,
        "anchorsFirst": steps.anchors_first,
        "confidence": how["confidence"],
        "overlap": how["overlap"] if head.overlapping else 1.0,
        "most": how["most"],
        "candidates": boxes.CANDIDATES,
    }


def _table(how: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> boxes.Array:
    """Numbers of the shape that the head reads, after it has read them."""
    parts = [np.zeros((shape[1], _columns(shape))) for shape in shapes]
    try:
        table = np.concatenate(parts, -1)
        boxes.detections(table, how)
    except (AgentError, ValueError) as error:
        raise UsageError(
            f"The bundle's decoder does not fit its outputs: {error}"
        ) from error
    return table


def _columns(shape: Sequence[int]) -> int:
    """Numbers of one row of an output (1, rows, columns) or (1, rows)."""
    return int(np.prod(shape[2:]))


def _levels(how: Mapping[str, Any], steps: _Steps, places: int) -> list[dict[str, Any]]:
    """The grids of places: rows, columns, stride, and (width, height) of each anchor."""
    if steps.box not in _GRIDS:
        return []
    strides = boxes.strides_of(how)
    anchored = steps.box in ("offsets", "logits")
    anchors = how["anchors"] if anchored else [[]] * len(strides)
    each = [len(level) for level in anchors] if anchored else 1
    height, width = boxes.size_of(how, places, each)
    return [
        {
            "rows": int(-(-height // stride)),
            "columns": int(-(-width // stride)),
            "stride": stride,
            "anchors": [list(one) for one in level],
        }
        for stride, level in zip(strides, anchors, strict=True)
    ]
