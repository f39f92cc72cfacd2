"""An image out: super-resolution, denoising, deblurring; values from 0 to 1 or from 0 to 255."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, losses, targets
from edgekit.tasks.losses import by_sample
from edgekit.tasks.scores import Metric, Outputs
from edgekit.tasks.targets import Targets
from edgekit.types import Evaluation

_MOST_DB = 100.0
"""The ratio of equal images, which is infinite."""
_BYTE = 255.0
_ROUND = 1e-3


def _soft(student: Tensor, teacher: Tensor, _: float) -> Tensor:
    """Mean absolute difference, (batch, ...) to (batch,)."""
    return by_sample((student - teacher).abs())


def _hard(student: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute difference from known pixels: images (batch, ...) to losses (batch,)."""
    images = targets.reshape(student.shape).to(student.dtype)
    known = ~images.isnan()
    return losses.over_known((student - torch.nan_to_num(images)).abs(), known)


def _images(
    metric: str, function: str, limit: float = math.inf, **options: Any
) -> Metric:
    """A function of torchmetrics over pairs of images: the mean over samples, each at most
    `limit`."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional import image

        known = ~np.isnan(targets).reshape(len(targets), -1).any(1)
        if not known.any():
            raise DataError("The evaluation data have no images to compare with.")
        if targets.size != outputs.size:
            raise DataError(
                f"The evaluation data have images of shape {list(targets.shape)}, and the "
                f"network returns {list(outputs.shape)}."
            )
        right = targets.reshape(outputs.shape)[known].astype(np.float32)
        values = getattr(image, function)(
            torch.from_numpy(outputs[known]),
            torch.from_numpy(right),
            data_range=peak(right),
            reduction="none",
            **options,
        )
        return Evaluation(
            metric=metric,
            value=float(values.clamp(max=limit).mean()),
            samples=len(right),
            is_fraction=not math.isfinite(limit),
        )

    return score


def peak(images: Targets) -> float:
    """The range of values that images (n, ...) have: 1, 255, or from their least to their most."""
    least, most = float(images.min()), float(images.max())
    if least >= -_ROUND and most <= 1 + _ROUND:
        return 1.0
    if least >= -_ROUND * _BYTE and most <= _BYTE * (1 + _ROUND):
        return _BYTE
    return most - least


RECORD = TaskDefinition(
    targets=targets.TargetFormat(
        read=targets.values, unknown=math.nan, each_output=True
    ),
    losses=losses.TaskLosses(soft=_soft, hard=_hard, known=losses.value_known),
    metrics={
        "psnr": _images(
            "PSNR (dB)", "peak_signal_noise_ratio", _MOST_DB, dim=(1, 2, 3)
        ),
        "ssim": _images("SSIM", "structural_similarity_index_measure"),
    },
    dimensions=4,
    output="images, (batch, channels, height, width)",
    shifts=False,
)
