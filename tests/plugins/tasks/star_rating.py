"""A toy task, ordinal regression: from one to K stars, by K - 1 "more than k stars" logits."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition
from edgekit.tasks.losses import TaskLosses, class_known
from edgekit.tasks.scores import Outputs
from edgekit.tasks.targets import Array, Names, TargetFormat, Targets
from edgekit.types import Evaluation


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """Stars (n,) from 1, 0 where unknown; as ranks from 0, -1 where unknown."""
    if given.ndim != 1 or given.dtype.kind not in "ui":
        raise DataError(f"{origin} has no ratings. Give one number of stars a sample.")
    return given.astype(np.int64) - 1, ()


def _hard(outputs: Tensor, ranks: Tensor) -> Tensor:
    """Binary cross-entropy of each threshold: (batch, K - 1) and (batch,) to (batch,)."""
    return F.binary_cross_entropy_with_logits(
        outputs, _thresholds(outputs, ranks), reduction="none"
    ).mean(1)


def _thresholds(outputs: Tensor, ranks: Tensor) -> Tensor:
    steps = outputs.new_tensor(range(outputs.shape[1]))
    return (ranks[:, None] > steps).to(outputs.dtype)


def _soft(outputs: Tensor, teacher: Tensor, _: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        outputs, teacher.sigmoid(), reduction="none"
    ).mean(1)


def _stars_off(outputs: Outputs, ranks: Targets) -> Evaluation:
    known = ranks >= 0
    apart = np.abs((outputs > 0).sum(1) - ranks)[known]
    return Evaluation(
        metric="stars off",
        value=float(apart.mean()),
        samples=len(outputs),
        higher_is_better=False,
        is_fraction=False,
    )


RECORD = TaskDefinition(
    targets=TargetFormat(read=_read),
    losses=TaskLosses(soft=_soft, hard=_hard, known=class_known),
    metrics={"stars-off": _stars_off},
    dimensions=2,
    output='logits of "more than k stars", (batch, K - 1)',
    shifts=False,
)
