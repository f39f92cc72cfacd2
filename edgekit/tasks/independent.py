"""Decisions that are made each for itself: yes or no, from one logit or its probability.

Losses and metrics that kinds of tasks with such outputs have in common.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks import numbered
from edgekit.tasks.losses import TaskLosses, by_sample, class_known, over_known
from edgekit.tasks.scores import Metric, Outputs, counted
from edgekit.tasks.targets import Array, Names, Targets
from edgekit.types import Evaluation

UNKNOWN = -1


def read(
    given: Array, *, origin: str, labels: Names | None, names: Names | None
) -> tuple[Targets, Names]:
    """0, 1, or -1 (NaN) where unknown, for each decision (n, ...); see `TargetReader`."""
    if given.dtype.kind not in "uifb":
        raise DataError(
            f"{origin} has labels of type {given.dtype}. Give 0 or 1 for each output, -1 where "
            "unknown."
        )
    values = (
        np.where(np.isnan(given), UNKNOWN, given) if given.dtype.kind == "f" else given
    )
    odd = ~np.isin(values, (UNKNOWN, 0, 1))
    if odd.any():
        raise DataError(
            f"{origin} has the label {values[odd].flat[0]}{numbered.within(odd)}. Give 0 or 1 for "
            "each output, -1 where unknown."
        )
    return values.astype(np.int16), labels or names or ()


def _soft(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Binary cross-entropy with the teacher's softened probabilities, times the squared
    temperature; logits (batch, ...) to losses (batch,)."""
    losses = F.binary_cross_entropy_with_logits(
        student / temperature, (teacher / temperature).sigmoid(), reduction="none"
    )
    return by_sample(losses) * temperature**2


def _hard(student: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy over known decisions; logits and targets (batch, ...) to losses
    (batch,)."""
    answers = targets.reshape(student.shape)
    losses = F.binary_cross_entropy_with_logits(
        student, answers.clamp(min=0).to(student.dtype), reduction="none"
    )
    return over_known(losses, answers >= 0)


LOSSES = TaskLosses(soft=_soft, hard=_hard, known=class_known)


def decided(outputs: Outputs) -> np.ndarray:
    """True where an output is a yes: a positive logit, or a probability above one half."""
    probabilities = outputs.min(initial=0) >= 0 and outputs.max(initial=1) <= 1
    yes: np.ndarray = outputs > (0.5 if probabilities else 0)
    return yes


def agreement(outputs: Outputs, others: Outputs) -> Evaluation:
    """Fraction of equal decisions between two networks' outputs (n, ...)."""
    return counted(
        "agreement", decided(outputs) == decided(others), samples=len(outputs)
    )


def accuracy(metric: str) -> Metric:
    """Fraction of known decisions that are right."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        answers, known = _known(outputs, targets)
        right = (decided(outputs) == answers)[known]
        return counted(metric, right, samples=len(outputs))

    return score


def of_torchmetrics(
    metric: str, function: str, *, each: bool = False, **options: str
) -> Metric:
    """A function of torchmetrics over decisions: one number for all of them, or with `each` over
    the labels of outputs (n, labels)."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional import classification

        answers, _ = _known(outputs, targets)
        more: dict[str, object] = dict(options)
        if each:
            more["num_labels"] = outputs.shape[1]
        value = getattr(classification, function)(
            torch.from_numpy(outputs),
            torch.from_numpy(answers.astype(np.int64)),
            ignore_index=UNKNOWN,
            **more,
        )
        return Evaluation(metric=metric, value=float(value), samples=len(outputs))

    return score


def _known(outputs: Outputs, targets: Targets) -> tuple[Targets, np.ndarray]:
    """Targets in the outputs' shape, and where they are known."""
    if targets.size != outputs.size:
        raise DataError(
            f"The evaluation data have labels of shape {list(targets.shape)}, and the network "
            f"returns {list(outputs.shape)}."
        )
    answers = targets.reshape(outputs.shape)
    known: np.ndarray = answers >= 0
    if not known.any():
        raise DataError(
            "The evaluation data have no labels. Point [data] test at some."
        )
    return answers, known
