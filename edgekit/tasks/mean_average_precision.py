"""Mean average precision of boxes and of masks, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.errors import DataError, RuntimeMissing
from edgekit.tasks.decoding import Decode, Found, Instances
from edgekit.tasks.scores import Metric, Outputs
from edgekit.tasks.targets import Array, Targets
from edgekit.types import Evaluation

ALL, AT_HALF = 0, 1
"""Positions in COCO's twelve figures: over overlaps from 0.5 to 0.95, and at 0.5."""
_ROW = 5


def metrics(decode: Decode) -> Mapping[str, Metric]:
    """Metrics by name of the boxes that `decode` finds; the first is COCO's own."""
    return {
        "map": _of("mAP50-95", decode, ALL),
        "map-50": _of("mAP50", decode, AT_HALF),
    }


def _of(metric: str, decode: Decode, figure: int) -> Metric:
    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        known = _known(targets)
        if not known.all():  # a copy of all outputs, unless it is needed
            outputs, targets = outputs[known], targets[known]
        value = figures(decode(outputs), targets)[figure]
        return Evaluation(metric=metric, value=value, samples=int(known.sum()))

    return score


def _known(targets: Targets) -> Array:
    """Samples of which boxes are known, (n,), which may be none."""
    if targets.ndim == 1 or np.isnan(targets).all():
        raise DataError("The evaluation data have no boxes. Point [data] test at some.")
    if targets.ndim != 3 or targets.shape[2] != _ROW:
        raise DataError(
            f"The evaluation data have targets of shape {list(targets.shape)}, and mAP takes boxes "
            "(n, boxes, 5): x1, y1, x2, y2 in pixels of the input, and the class, -1 for none."
        )
    return np.asarray(~np.isnan(targets).all((1, 2)))


def figures(found: Iterable[Found], targets: Targets) -> list[float]:
    """COCO's twelve figures of what is found in each sample, by targets (n, boxes, 5).

    Raises `DataError` where there are no boxes to find, and `RuntimeMissing`.
    """
    known = [rows[rows[:, 4] >= 0] for rows in targets]
    drawn = [
        {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
        for rows in known
        for x1, y1, x2, y2 in rows[:, :4].tolist()
    ]
    kinds = [rows[:, 4] for rows in known]
    return _judged(_annotated(kinds, drawn), _rows(found), "bbox")


def mask_figures(
    found: Iterable[Instances],
    expected: Iterable[tuple[Array, Array]],
    size: Sequence[int],
) -> list[float]:
    """COCO's twelve figures of the masks found in each sample, by those `expected`: masks (things,
    height, width) of the `size` and classes (things,).

    Both are taken one sample after another, and kept as run lengths. Raises `DataError` where
    there is nothing to find, and `RuntimeMissing`.
    """
    kinds, drawn = list[Array](), list[dict[str, Any]]()
    for masks, classes in expected:
        kinds.append(classes)
        drawn += (
            {"segmentation": runs, "area": int(mask.sum())}
            for runs, mask in zip(_run_lengths(masks), masks, strict=True)
        )
    rows = [
        {
            "image_id": image,
            "category_id": int(kind),
            "segmentation": runs,
            "score": float(score),
        }
        for image, one in enumerate(found)
        for runs, score, kind in zip(
            _run_lengths(one.masks), one.scores, one.classes, strict=True
        )
    ]
    nothing = {
        "image_id": 0,
        "category_id": 0,
        "segmentation": _run_lengths(np.zeros((1, *size), bool))[0],
        "score": 0.0,
    }
    return _judged(_annotated(kinds, drawn, size), rows or [nothing], "segm")


def _judged(expected: dict[str, Any], rows: Any, overlap: str) -> list[float]:
    if not expected["annotations"]:
        raise DataError(
            "The evaluation data have images without boxes alone, so mAP cannot be computed. "
            "Point [data] test at images with some."
        )
    library = _library()
    annotated = library.COCO(expected)
    detected = annotated.loadRes(rows)
    judged = library.COCOeval_faster(annotated, detected, iouType=overlap)
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    return [max(0.0, float(each)) for each in judged.stats]  # -1: no such boxes


def _library() -> Any:
    try:
        import faster_coco_eval
    except ImportError as error:
        raise RuntimeMissing(
            "mAP is computed with faster-coco-eval: pip install 'edgekit[detection]'."
        ) from error
    return faster_coco_eval


def _run_lengths(masks: Array) -> list[Any]:
    """Compressed run lengths of masks (things, height, width)."""
    if not len(masks):
        return []
    _library()
    from faster_coco_eval.core import mask

    found: list[Any] = mask.encode(
        np.asfortranarray(masks.transpose(1, 2, 0), np.uint8)
    )
    return found


def _annotated(
    kinds: Sequence[Array], drawn: Sequence[dict[str, Any]], size: Sequence[int] = ()
) -> dict[str, Any]:
    """COCO's content of things one image after another: the classes of each, and their forms."""
    images = [image for image, each in enumerate(kinds) for _ in each]
    classes = [int(kind) for each in kinds for kind in each]
    rows = zip(images, classes, drawn, strict=True)
    shape = dict(zip(("height", "width"), size, strict=False))
    return {
        "info": {},
        "images": [{"id": image, **shape} for image in range(len(kinds))],
        "annotations": [
            {"id": n, "image_id": image, "category_id": kind, "iscrowd": 0, **form}
            for n, (image, kind, form) in enumerate(rows, 1)
        ],
        "categories": [{"id": kind, "name": str(kind)} for kind in sorted({*classes})],
    }


def _rows(found: Iterable[Found]) -> Array:
    """Detections as (found, 7): image, x, y, width, height, score and class."""
    parts = [
        np.column_stack(
            [
                np.full(len(one.scores), image),
                one.boxes[:, :2],
                one.boxes[:, 2:] - one.boxes[:, :2],
                one.scores,
                one.classes,
            ]
        )
        for image, one in enumerate(found)
    ]
    rows: Array = np.concatenate(parts).astype(np.float64)
    return rows if len(rows) else np.zeros((1, 7))  # a score of 0 in the first sample
