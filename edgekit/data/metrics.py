"""How good outputs are, by the task's metric, and how far two networks agree."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgekit.config.user_code import is_reference, locate
from edgekit.data.dataset import Targets
from edgekit.data.scores import (
    SCORES,
    accuracy,
    counted,
    embedded,
    mean_absolute_error,
    mean_intersection_over_union,
    perplexity,
    token_accuracy,
)
from edgekit.errors import DataError, UsageError
from edgekit.types import Evaluation, TaskKind, TaskSpec

Outputs = NDArray[np.float32]
Metric = Callable[[Outputs, Targets], Evaluation]

METRICS: Mapping[TaskKind, Mapping[str, Metric]] = {
    "classification": {
        "accuracy": accuracy,
        **{name: SCORES[name] for name in ("top-5-accuracy", "balanced-accuracy")},
        **{name: SCORES[name] for name in ("f1", "auroc")},
    },
    "segmentation": {
        "mean-iou": mean_intersection_over_union,
        **{name: SCORES[name] for name in ("pixel-accuracy", "dice")},
    },
    "token-classification": {
        "accuracy": token_accuracy,
        "f1": SCORES["token-f1"],
    },
    "regression": {
        "mean-absolute-error": mean_absolute_error,
        **{name: SCORES[name] for name in ("mean-squared-error", "r2", "pearson")},
    },
    "embedding": {
        name: SCORES[name] for name in ("cosine-similarity", "retrieval-precision")
    },
    "language-modeling": {"perplexity": perplexity, "accuracy": token_accuracy},
    "detection": {},
}
"""The metrics that each kind of task offers, the first its own."""
DECIDE: Mapping[TaskKind, int] = {
    "classification": 1,
    "segmentation": 1,
    "token-classification": -1,
    "language-modeling": -1,
}
"""The dimension of the classes, where outputs are logits."""


def named(task: TaskSpec, root: Path) -> Metric:
    """The metric that a task names: one of its kind's own, or a function of the user's.

    That takes outputs (n, ...) and targets (n, ...) as arrays and returns a number. Raises
    `UsageError` for a metric that the kind does not have, and for detection without one.
    """
    known = METRICS[task.kind]
    if task.metric is None and task.kind == "embedding":
        return embedded
    if task.metric is None and known:
        return next(iter(known.values()))
    if task.metric is None:
        raise UsageError(
            f"[task] metric is missing: {task.kind} needs one of yours, which takes outputs and "
            'targets as arrays and returns a number: metric = "metric.py:score".'
        )
    if is_reference(task.metric):
        return _authored(task, task.metric, root)
    if task.metric not in known:
        near = difflib.get_close_matches(task.metric, known, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(
            f"[task] metric = '{task.metric}' is none of {task.kind}.{hint} Known: "
            f"{', '.join(known) or 'none'}, or a function of yours: 'metric.py:score'."
        )
    return known[task.metric]


def measure(kind: TaskKind, outputs: Outputs, targets: Targets) -> Evaluation:
    """A kind's own metric over what is labeled; raises `DataError` where nothing is.

    Outputs (n, ...) as the network gives them: (n, classes, height, width) for segmentation,
    (n, tokens, classes) for text.
    """
    return named(TaskSpec(kind=kind), Path())(outputs, targets)


def agreement(kind: TaskKind, outputs: Outputs, others: Outputs) -> Evaluation:
    """How far two networks agree on the same samples, where no label says who is right.

    The share of equal decisions where there are classes, the cosine of embeddings, else the mean
    absolute difference.
    """
    if kind == "embedding":
        return SCORES["cosine-similarity"](outputs, others)
    if kind in DECIDE:
        axis = DECIDE[kind]
        same = outputs.argmax(axis) == others.argmax(axis)
        return counted("agreement", same, samples=len(outputs))
    return Evaluation(
        metric="distance",
        value=float(np.abs(outputs - others).mean()),
        samples=len(outputs),
        higher_is_better=False,
        share=False,
    )


def explained(outputs: Outputs, others: Outputs) -> float:
    """Share of the variance of `others` that `outputs` have in common with them; at most 1."""
    wanted = others.astype(np.float64)
    spread = np.square(wanted - wanted.mean(0)).sum()
    apart = np.square(outputs - wanted).sum()
    return float(1 - apart / max(spread, 1e-12))


def _authored(task: TaskSpec, reference: str, root: Path) -> Metric:
    function = locate(reference, root, UsageError)
    name = Name(title=function.name, metric=function.function.replace("_", " "))
    return of_function(function.load(), name, higher_is_better=task.better != "lower")


@dataclass(frozen=True, kw_only=True)
class Name:
    """How errors call a function of the user's, and reports its metric."""

    title: str
    metric: str


def of_function(
    score: Callable[..., Any], name: Name, *, higher_is_better: bool = True
) -> Metric:
    """A metric from `score(outputs, targets)`, which takes arrays (n, ...) and returns a number.

    A module, such as a metric of torchmetrics, takes tensors. The metric raises `UsageError` where
    `score` returns no number, and `DataError` where that is not finite.
    """

    def measured(outputs: Outputs, targets: Targets) -> Evaluation:
        given: tuple[Any, Any] = outputs, targets
        if isinstance(score, nn.Module):
            given = torch.from_numpy(outputs), torch.from_numpy(targets)
        try:
            value = float(score(*given))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{name.title} returned no number ({error}). Return one."
            ) from error
        if not math.isfinite(value):
            raise DataError(f"{name.title} returned {value}. Return a number.")
        return Evaluation(
            metric=name.metric,
            value=value,
            samples=len(outputs),
            higher_is_better=higher_is_better,
            share=False,
        )

    return measured
