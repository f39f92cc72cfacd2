"""Anomaly scores: one a sample, or a map of which the highest counts.

Distilled from the teacher alone: what is strange is unknown while one learns. A network that
rebuilds its input ends in the error of what it rebuilt.
"""

from __future__ import annotations

import numpy as np
import torch

from edgekit.errors import DataError
from edgekit.tasks import TaskDefinition, losses, numbered, targets
from edgekit.tasks.scores import Metric, Outputs
from edgekit.tasks.targets import Array, Names, Targets
from edgekit.types import Evaluation


def _read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """0 for what is normal and 1 for an anomaly (n,); see `TargetReader`."""
    read, _ = targets.classes(given, origin=origin, labels=None, names=names)
    if read.max(initial=0) > 1:
        raise DataError(
            f"{origin} has the label {read.max()}{numbered.within(read > 1)}. Give 0 for a "
            "normal sample, 1 for an anomaly, -1 where unknown."
        )
    return read, ()


def _of_scores(metric: str, function: str) -> Metric:
    """A function of torchmetrics over scores, the highest of each sample."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional import classification

        known = targets >= 0
        if len(np.unique(targets[known])) < 2:
            raise DataError(
                "The evaluation data need normal samples (0) and anomalies (1) with labels. "
                "Point [data] test at both."
            )
        highest = outputs.reshape(len(outputs), -1).max(1)[known]
        # Ranks: torchmetrics takes scores outside of 0 to 1 for logits and rounds them together.
        ranks = np.unique(highest, return_inverse=True)[1] / max(len(highest), 1)
        value = getattr(classification, function)(
            torch.from_numpy(ranks), torch.from_numpy(targets[known])
        )
        return Evaluation(metric=metric, value=float(value), samples=len(highest))

    return score


RECORD = TaskDefinition(
    targets=targets.TargetFormat(read=_read, class_folders=True),
    losses=losses.TaskLosses(
        soft=lambda student, teacher, _: losses.regression(student, teacher)
    ),
    metrics={
        "area-under-roc": _of_scores("area under the ROC curve", "binary_auroc"),
        "average-precision": _of_scores(
            "average precision", "binary_average_precision"
        ),
    },
)
