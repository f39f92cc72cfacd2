"""Boxes from the outputs of a detector, in NumPy alone: the host's metrics and the device decode
by the same lines.

A decoder takes the output of one sample, (places, values): the numbers of a box, then its scores.
`how` is the `decoder` of a manifest: `head` and what else its head needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import JOB_INVALID, AgentError

Array = np.ndarray[Any, Any]
How = Mapping[str, Any]
CANDIDATES = 1000
"""Boxes of highest score that are looked at."""
_LONGEST = 4096
"""The longest side, in pixels, of an input whose size is found by its number of places."""
SSD_VARIANCES = (0.1, 0.1, 0.2, 0.2)


class Detections(NamedTuple):
    """Boxes found in one sample, the highest score first."""

    boxes: Array  # (found, 4): x1, y1, x2, y2 in pixels of the input
    scores: Array  # (found,), from 0 to 1
    classes: Array  # (found,), numbers without the background


class Head(NamedTuple):
    """Form of a detector's output."""

    read: Callable[[Array, How], tuple[Array, Array]]
    """From (places, values) to boxes (places, 4) and scores (places, classes)."""
    scores: str = "logits"  # or "softmax": logits over classes; or "probabilities"
    channels_first: bool = False  # (values, places)
    distributions: bool = (
        False  # a box is four distributions over `bins`, not four numbers
    )
    background: int | None = None  # the class that means that nothing is there
    factor: str | None = None  # the first score, "objectness" or "centerness"
    sides: str | None = None  # "corners" or "centers" where four numbers are a box
    listed: bool = False  # the number of its class follows a box's only score
    overlapping: bool = True  # True where the same thing is found at several places
    strides: tuple[float, ...] = ()
    sized: bool = (
        False  # True where the size of the input is needed and cannot be found
    )


def numbers_of_box(how: How) -> int:
    """Numbers that come before a place's scores."""
    return 4 * int(how["bins"]) if HEADS[how["head"]].distributions else 4


def detections(output: Array, how: How, confidence: float | None = None) -> Detections:
    """Boxes of one sample's output whose score is at least `confidence`, or that of `how`.

    Of boxes of one class that overlap by more than `how["overlap"]` the best remains, and at most
    `how["most"]` in all. Raises `job_invalid` for an output that is not the head's.
    """
    head = HEADS[how["head"]]
    raw = output.T if head.channels_first else output
    if raw.ndim != 2 or raw.shape[1] <= numbers_of_box(how):
        raise _wrong(how, f"an output of shape {list(output.shape)} a sample")
    boxes, scores = head.read(raw.astype(np.float64), how)
    background = how.get("background")
    background = head.background if background is None else background
    if background is not None:
        scores = np.delete(scores, background, 1)
    least = how["confidence"] if confidence is None else confidence
    place, kind = np.nonzero(scores >= least)
    found = Detections(boxes[place], scores[place, kind], kind)
    return best(found, how["overlap"] if head.overlapping else 1.0, how["most"])


def best(found: Detections, overlap: float, most: int) -> Detections:
    """Non-maximum suppression within each class, by decreasing score; 1 suppresses nothing."""
    order = np.argsort(-found.scores, kind="stable")[:CANDIDATES]
    span = np.abs(found.boxes).max(initial=0.0) * 2 + 1
    apart = found.boxes + span * found.classes[:, None]  # classes do not overlap
    kept: list[int] = []
    while len(order) and len(kept) < most:
        first, order = order[0], order[1:]
        kept.append(int(first))
        if overlap < 1:
            order = order[overlaps(apart[first], apart[order]) <= overlap]
    return Detections(*(part[kept] for part in found))


def overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of a box (4,) with others (n, 4): (n,)."""
    corner = np.maximum(box[:2], others[:, :2])
    sides = np.clip(np.minimum(box[2:], others[:, 2:]) - corner, 0, None)
    both = sides.prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return np.asarray(both / np.maximum(areas - both, 1e-12))


def _corners(raw: Array, how: How) -> tuple[Array, Array]:
    """Corners and scores as they are."""
    return raw[:, :4], raw[:, 4:]


def _corner_fractions(raw: Array, how: How) -> tuple[Array, Array]:
    """Corners as fractions of the input."""
    return raw[:, :4] * _size(how)[[1, 0, 1, 0]], raw[:, 4:]


def _centers(raw: Array, how: How) -> tuple[Array, Array]:
    """YOLOv8's export: center and size in pixels, and probabilities."""
    return _around(raw[:, :2], raw[:, 2:4]), raw[:, 4:]


def _listed(raw: Array, how: How) -> tuple[Array, Array]:
    """YOLOv10's export: corners in pixels, the score and the class of each box."""
    classes = raw[:, 5].astype(int)
    scores = np.zeros((len(raw), classes.max(initial=0) + 1))
    scores[np.arange(len(raw)), classes] = raw[:, 4]
    return raw[:, :4], scores


def _with_objectness(raw: Array, how: How) -> tuple[Array, Array]:
    """YOLOv5's export: as YOLOv8's, with the probability that anything is there first."""
    return _around(raw[:, :2], raw[:, 2:4]), raw[:, 4:5] * raw[:, 5:]


def _distributions(raw: Array, how: How) -> tuple[Array, Array]:
    """Distances of the four sides from a cell's center as distributions over bins, in strides.

    Li et al., 2020, "Generalized Focal Loss", arXiv:2006.04388; as YOLOv8 to YOLO11 have it.
    """
    bins = int(how["bins"])
    places, strides = _cells(how, len(raw), 0.5)
    sides = softmax(raw[:, : 4 * bins].reshape(-1, 4, bins)) @ np.arange(bins)
    return _sides(places, sides * strides[:, None]), sigmoid(raw[:, 4 * bins :])


def _fcos(raw: Array, how: How) -> tuple[Array, Array]:
    """Distances of the four sides in strides, the centerness, and the classes.

    Tian et al., 2019, arXiv:1904.01355; scores are the root of the product with the centerness.
    """
    places, strides = _cells(how, len(raw), 0.5)
    boxes = _sides(places, np.maximum(raw[:, :4], 0) * strides[:, None])
    return boxes, np.sqrt(sigmoid(raw[:, 4:5]) * sigmoid(raw[:, 5:]))


def _centernet(raw: Array, how: How) -> tuple[Array, Array]:
    """Width, height and offset of the center in cells, and a heatmap a class.

    Zhou et al., 2019, arXiv:1904.07850; peaks are the highest of their 3x3 neighbors.
    """
    size, (stride,) = size_of(how, len(raw), 1), strides_of(how)
    places, _ = _cells(how, len(raw), 0.0)
    rows, columns = (int(-(-side // stride)) for side in size)
    heat = sigmoid(raw[:, 4:]).reshape(rows, columns, -1)
    edged = np.pad(heat, ((1, 1), (1, 1), (0, 0)))
    around = [edged[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    peaks = np.where(heat == np.max(around, 0), heat, 0.0).reshape(len(raw), -1)
    boxes = _around(places + raw[:, 2:4] * stride, raw[:, :2] * stride)
    return boxes, peaks


def _yolo_anchors(raw: Array, how: How) -> tuple[Array, Array]:
    """YOLOv5's own outputs: offsets to anchors as logits, objectness and classes.

    Places are in the order level, anchor, row, column. The formulas are those of
    https://docs.ultralytics.com/yolov5/tutorials/architecture_description.
    """
    anchors, strides = _anchors(how, len(raw), 0.5, anchors_first=True)
    given = sigmoid(raw)
    centers = anchors[:, :2] + (given[:, :2] * 2 - 1) * strides[:, None]
    boxes = _around(centers, (given[:, 2:4] * 2) ** 2 * anchors[:, 2:])
    return boxes, given[:, 4:5] * given[:, 5:]


def _ssd(raw: Array, how: How) -> tuple[Array, Array]:
    """Offsets to default boxes, with variances: Liu et al., 2016, arXiv:1512.02325."""
    anchors, _ = _anchors(how, len(raw), 0.5)
    return _moved(raw[:, :4] * SSD_VARIANCES, anchors), softmax(raw[:, 4:])


def _retinanet(raw: Array, how: How) -> tuple[Array, Array]:
    """Offsets to anchors around a cell's corner: Lin et al., 2017, arXiv:1708.02002."""
    anchors, _ = _anchors(how, len(raw), 0.0)
    return _moved(raw[:, :4], anchors), sigmoid(raw[:, 4:])


def _detr(raw: Array, how: How) -> tuple[Array, Array]:
    """Centers and sizes as fractions; the last class is none: Carion et al., arXiv:2005.12872."""
    return _center_fractions(raw, how), softmax(raw[:, 4:])


def _rtdetr(raw: Array, how: How) -> tuple[Array, Array]:
    """As DETR's with each class for itself: Zhao et al., 2023, arXiv:2304.08069."""
    return _center_fractions(raw, how), sigmoid(raw[:, 4:])


_YOLO = Head(_centers, "probabilities", channels_first=True, sides="centers")
HEADS: Mapping[str, Head] = {
    "boxes": Head(_corners, "probabilities", sides="corners"),
    "box-fractions": Head(
        _corner_fractions, "probabilities", sides="corners", sized=True
    ),
    "yolov8": _YOLO,
    "yolo11": _YOLO,
    "yolov10": Head(_listed, "probabilities", listed=True, overlapping=False),
    "yolov5": Head(
        _with_objectness, "probabilities", factor="objectness", sides="centers"
    ),
    "dfl": Head(_distributions, distributions=True, strides=(8, 16, 32)),
    "yolov5-anchors": Head(_yolo_anchors, factor="objectness", strides=(8, 16, 32)),
    "ssd": Head(_ssd, "softmax", background=0, strides=(8, 16, 32, 64, 100, 300)),
    "retinanet": Head(_retinanet, strides=(8, 16, 32, 64, 128)),
    "fcos": Head(_fcos, factor="centerness", strides=(8, 16, 32, 64, 128)),
    "centernet": Head(_centernet, overlapping=False, strides=(4,)),
    "detr": Head(
        _detr,
        "softmax",
        background=-1,
        sides="centers",
        overlapping=False,
        sized=True,
    ),
    "rtdetr": Head(_rtdetr, sides="centers", overlapping=False, sized=True),
}
"""Heads by the name in `[task] decoder`."""


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return np.asarray(0.5 + 0.5 * np.tanh(x / 2))


def softmax(x: Array) -> Array:
    """Over the last dimension."""
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _around(centers: Array, sizes: Array) -> Array:
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], 1)


def _sides(places: Array, sides: Array) -> Array:
    """Corners by the distances (left, top, right, bottom) from places."""
    return np.concatenate([places - sides[:, :2], places + sides[:, 2:]], 1)


def _moved(offsets: Array, anchors: Array) -> Array:
    """Anchors (x, y, width, height) by offsets relative to their size, the size's as logarithm."""
    centers = anchors[:, :2] + offsets[:, :2] * anchors[:, 2:]
    return _around(centers, anchors[:, 2:] * np.exp(np.minimum(offsets[:, 2:], 10)))


def _center_fractions(raw: Array, how: How) -> Array:
    return _around(raw[:, :2], raw[:, 2:4]) * _size(how)[[1, 0, 1, 0]]


def _cells(how: How, places: int, offset: float) -> tuple[Array, Array]:
    """The place (x, y) of each cell of each level in pixels, row by row, and its stride."""
    size = size_of(how, places, 1)
    found = [_grid(size, stride, offset) for stride in strides_of(how)]
    lengths = [len(one) for one in found]
    return np.concatenate(found), np.repeat(strides_of(how), lengths)


def _anchors(
    how: How, places: int, offset: float, *, anchors_first: bool = False
) -> tuple[Array, Array]:
    """Anchors (x, y, width, height) in pixels, and the stride of each."""
    sizes, strides = how.get("anchors") or (), strides_of(how)
    if len(sizes) != len(strides):
        raise _wrong(how, f"{len(sizes)} lists of anchors for {len(strides)} strides")
    size = size_of(how, places, [len(level) for level in sizes])
    found = []
    for level, stride in zip(sizes, strides):
        cells, shapes = _grid(size, stride, offset), np.asarray(level, np.float64)
        if anchors_first:
            cells, shapes = (
                np.tile(cells, (len(level), 1)),
                shapes.repeat(len(cells), 0),
            )
        else:
            cells, shapes = (
                cells.repeat(len(level), 0),
                np.tile(shapes, (len(cells), 1)),
            )
        found.append(np.concatenate([cells, shapes], 1))
    return np.concatenate(found), np.repeat(strides, [len(one) for one in found])


def _grid(size: Array, stride: float, offset: float) -> Array:
    rows, columns = (np.arange(-(-side // stride)) for side in size)
    x, y = np.meshgrid(columns, rows)
    return (np.stack([x.ravel(), y.ravel()], 1) + offset) * stride


def strides_of(how: How) -> tuple[float, ...]:
    """Pixels between places, a level each: those given, or the head's own."""
    return tuple(how.get("strides") or HEADS[how["head"]].strides)


def _size(how: How) -> Array:
    """Height and width of the input."""
    if not how.get("size"):
        raise _wrong(how, "no size of the input")
    return np.asarray(how["size"])


def size_of(how: How, places: int, each: int | list[int]) -> Array:
    """The given size, or that of the square input with so many places, `each` a cell."""
    strides = np.asarray(strides_of(how))

    def count(height: float, width: float) -> int:
        cells = np.ceil(height / strides) * np.ceil(width / strides)
        return int((cells * each).sum())

    if how.get("size"):
        height, width = how["size"]
        if count(height, width) != places:
            raise _wrong(
                how,
                f"{places} places where {height} x {width} pixels have "
                f"{count(height, width)}",
            )
        return np.asarray((height, width))
    step = max(1, int(strides.max()))
    for side in range(step, _LONGEST + 1, step):
        if count(side, side) == places:
            return np.asarray((side, side))
    raise _wrong(
        how, f"{places} places, which no square input has, and no size of the input"
    )


def _wrong(how: How, found: str) -> AgentError:
    return AgentError(
        JOB_INVALID,
        f"The decoder '{how['head']}' has {found}. Check head, size, strides and anchors in "
        "[task.decoder].",
    )
