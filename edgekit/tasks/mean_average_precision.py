"""Mean average precision of boxes, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.agent.serving.boxes import Detections
from edgekit.errors import DataError, RuntimeMissing
from edgekit.tasks.decoding import Decode
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
        value = figures(decode(outputs[known]), targets[known])[figure]
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


def figures(found: Sequence[Detections], targets: Targets) -> list[float]:
    """COCO's twelve figures of what is found in each sample, by targets (n, boxes, 5).

    Raises `DataError` where there are no boxes to find, and `RuntimeMissing`.
    """
    if not (targets[..., 4] >= 0).any():
        raise DataError(
            "The evaluation data have images without boxes alone, so mAP cannot be computed. "
            "Point [data] test at images with some."
        )
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise RuntimeMissing(
            "mAP is computed with faster-coco-eval: pip install 'edgekit[detection]'."
        ) from error
    expected = COCO(_annotated(targets))
    judged = COCOeval_faster(expected, expected.loadRes(_rows(found)), iouType="bbox")
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    return [max(0.0, float(each)) for each in judged.stats]  # -1: no such boxes


def _annotated(targets: Targets) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for image, rows in enumerate(targets):
        for x1, y1, x2, y2, kind in rows[rows[:, 4] >= 0].tolist():
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(kind),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    kinds = sorted({one["category_id"] for one in annotations})
    return {
        "info": {},
        "images": [{"id": image} for image in range(len(targets))],
        "annotations": annotations,
        "categories": [{"id": kind, "name": str(kind)} for kind in kinds],
    }


def _rows(found: Sequence[Detections]) -> Array:
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
