"""Places in an image: coordinates (x, y) of points, or a heatmap a point."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, losses, targets
from edgekit.tasks.losses import by_sample
from edgekit.tasks.scores import Outputs, counted
from edgekit.tasks.targets import Array, Names, Targets
from edgekit.types import Evaluation

_VISIBILITY = 3
_COORDINATES = 3
"""Dimensions of outputs that are coordinates: (batch, points, 2)."""
_NEAR = 0.1
_SPREAD = 1 / 32
"""The standard deviation of a heatmap's peak, of the map's longer side (2 of 64 pixels in Xiao et
al., 2018, arXiv:1804.06208)."""


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """Points (n, points, 2), NaN where unknown, or (n, points, 3) with COCO's visibility, 0 where
    unknown; see `TargetReader`."""
    read, found = targets.values(given, origin=origin, labels=labels, names=names)
    if read.ndim != 3 or read.shape[2] not in (2, _VISIBILITY):
        raise DataError(
            f"{origin} has targets of shape {list(given.shape)}. Give points (x, y), "
            "(n, points, 2), or with COCO's visibility (n, points, 3)."
        )
    if read.shape[2] == _VISIBILITY:
        read = np.where(read[..., 2:] > 0, read[..., :2], np.float32(math.nan))
    return read, found


def heatmaps(points: Tensor, height: int, width: int) -> Tensor:
    """Points (batch, points, 2), as fractions of width and height, to a peak of 1 in a map each:
    (batch, points, height, width), zeros where unknown."""
    x = (torch.arange(width, device=points.device) + 0.5) / width
    y = (torch.arange(height, device=points.device) + 0.5) / height
    side = max(height, width)
    across = ((points[..., 0, None] - x) * width).square()
    down = ((points[..., 1, None] - y) * height).square()
    far = down[..., :, None] + across[..., None, :]
    return torch.nan_to_num(torch.exp(-far / (2 * (_SPREAD * side) ** 2)))


def _hard(student: Tensor, targets: Tensor) -> Tensor:
    """Squared difference from known points, or from their heatmaps: (batch, ...) to (batch,)."""
    if student.ndim == _COORDINATES:
        return losses.squared_error(student, targets)
    expected = heatmaps(targets, *student.shape[2:]).to(student.dtype)
    known = ~targets.isnan().any(-1)
    return losses.over_known((student - expected).square().mean((2, 3)), known)


def places(outputs: Outputs) -> Outputs:
    """Coordinates (n, points, 2) of outputs; of heatmaps (n, points, height, width) where each
    is highest, as fractions of width and height."""
    if outputs.ndim == _COORDINATES:
        return outputs
    height, width = outputs.shape[2:]
    highest = outputs.reshape(*outputs.shape[:2], -1).argmax(-1)
    x, y = (highest % width + 0.5) / width, (highest // width + 0.5) / height
    return np.stack([x, y], -1).astype(np.float32)


def _distances(outputs: Outputs, targets: Targets) -> tuple[Targets, Targets]:
    """Distance of each point (n, points) from the right place, NaN where unknown, and the size
    of each sample's pose (n,): the longer side of the box around its known points."""
    found = places(outputs)
    if found.shape != targets.shape:
        raise DataError(
            f"The evaluation data have points of shape {list(targets.shape)}, and the network "
            f"gives {list(found.shape)}."
        )
    if np.isnan(targets).all():
        raise DataError("The evaluation data have no points to compare with.")
    some = ~np.isnan(targets).all((1, 2))
    found, right = found[some], targets[some]
    sides = np.nanmax(right, 1) - np.nanmin(right, 1)
    return np.linalg.norm(found - right, axis=-1), np.nanmax(sides, -1)


def correct_keypoints(outputs: Outputs, targets: Targets) -> Evaluation:
    """Fraction of known points within a tenth of the pose's longer side (PCK at 0.1)."""
    apart, sizes = _distances(outputs, targets)
    near = apart <= _NEAR * sizes[:, None]
    return counted("PCK at 0.1", near[~np.isnan(apart)], samples=len(outputs))


def mean_distance(outputs: Outputs, targets: Targets) -> Evaluation:
    """The mean distance of known points from the right place, in the targets' unit."""
    apart, _ = _distances(outputs, targets)
    return Evaluation(
        metric="mean distance",
        value=float(np.nanmean(apart)),
        samples=len(outputs),
        higher_is_better=False,
        is_fraction=False,
    )


def _fits(shape: tuple[int, ...], targets: Targets) -> str | None:
    points = targets.shape[1]
    form = shape[1:] == (points, 2) or (
        len(shape) == _COORDINATES + 1 and shape[1] == points
    )
    if form:
        return None
    return (
        f"The data have {points} points a sample, and the network returns {list(shape[1:])}: "
        f"it should be [{points}, 2], or [{points}, height, width]."
    )


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=_read, unknown=math.nan),
    losses=losses.TaskLosses(
        soft=lambda student, teacher, _: by_sample((student - teacher).square()),
        hard=_hard,
        known=losses.value_known,
    ),
    metrics={"pck": correct_keypoints, "mean-distance": mean_distance},
    fits=_fits,
    points=places,
    shifts=False,
)
