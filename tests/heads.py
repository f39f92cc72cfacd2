"""Outputs of every head of a detector, drawn so that many places hold boxes that overlap."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.agent.serving.boxes import HEADS, Detections, detections
from edgekit.types import BoxDecoder

SIZE = (70, 90)
"""Height and width: neither is a multiple of a stride."""
_TWO = (((8.0, 12.0), (16.0, 10.0)), ((30.0, 40.0), (60.0, 20.0)))
_BACKGROUND = {"ssd": 1, "detr": 1}
"""Columns of scores of the background."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A head's outputs (samples, rows, columns), and the decoder of a manifest."""

    how: dict[str, Any]
    outputs: np.ndarray

    def boxes(self, sample: int) -> Detections:
        """The boxes of one sample as the device finds them."""
        return detections(self.outputs[sample], self.how)


def case(head: str, samples: int, **changes: Any) -> Case:
    """Outputs for a decoder of a head with three classes."""
    given = {"size": SIZE, "bins": 4, "most": 20, "confidence": 0.3, **changes}
    if head in ("yolov5-anchors", "ssd", "retinanet"):
        given |= {"strides": (16.0, 32.0), "anchors": _TWO}
    how = {**asdict(BoxDecoder(head=head, **given)), "background": None}
    draw = np.random.default_rng(sum(map(ord, head)))
    count = _places(how)
    columns = 3 + _BACKGROUND.get(head, 0)
    objectness = head in ("yolov5", "yolov5-anchors", "fcos")
    ready = HEADS[head].scores == "probabilities"
    sides = 4 * 4 if HEADS[head].distributions else 4
    shape = (samples, count, objectness + columns)
    scores = draw.beta(0.6, 1.2, shape) if ready else draw.normal(0, 2, shape)
    numbers = draw.normal(0, 1, (samples, count, sides))
    if not HEADS[head].strides:
        numbers = _free(head, numbers, draw)
    joined = np.concatenate([numbers, scores], -1)
    if head == "yolov10":
        joined[..., 5] = draw.integers(0, 3, joined.shape[:2])
        joined = joined[..., :6]
    turned = joined.transpose(0, 2, 1) if HEADS[head].channels_first else joined
    return Case(how=how, outputs=turned.astype(np.float32))


def _places(how: dict[str, Any]) -> int:
    strides = how["strides"] or HEADS[how["head"]].strides
    each = 2 if how["anchors"] else 1
    cells = [-(-SIZE[0] // s) * -(-SIZE[1] // s) for s in map(int, strides)]
    return sum(cells) * each or 40


def _free(head: str, numbers: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Boxes anywhere in the input, as corners or centers, in pixels or fractions."""
    corner = draw.uniform(0, 0.6, (*numbers.shape[:2], 2))
    size = draw.uniform(0.1, 0.4, corner.shape)
    corners = head in ("boxes", "box-fractions", "yolov10")
    found = np.concatenate([corner, corner + size if corners else size], -1)
    fractions = head in ("box-fractions", "detr", "rtdetr")
    return found if fractions else found * np.tile(SIZE[::-1], 2)
