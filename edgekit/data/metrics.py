"""How good outputs are, by the task's metric, and how far two networks agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Targets
from edgekit.errors import DataError
from edgekit.types import Evaluation, TaskKind

Outputs = NDArray[np.float32]


def measure(kind: TaskKind, outputs: Outputs, targets: Targets) -> Evaluation:
    """The metric of a kind of task over what is labelled; raises `DataError` where nothing is.

    Outputs (n, ...) as the network gives them. Accuracy for classes, of tokens too; mean
    intersection over union for segmentation (n, classes, height, width); mean absolute error for
    regression; perplexity for language models (n, tokens, classes).
    """
    return METRICS[kind](outputs, targets)


def agreement(kind: TaskKind, outputs: Outputs, others: Outputs) -> Evaluation:
    """How far two networks agree on the same samples, where no label says who is right.

    The share of equal decisions where there are classes, else the mean absolute difference.
    """
    if kind in DECIDE:
        axis = DECIDE[kind]
        same = outputs.argmax(axis) == others.argmax(axis)
        return Evaluation(
            metric="agreement", value=float(same.mean()), samples=len(outputs)
        )
    return Evaluation(
        metric="distance",
        value=float(np.abs(outputs - others).mean()),
        samples=len(outputs),
        higher_is_better=False,
    )


def accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Share of samples whose largest output is their class; unlabelled samples do not count."""
    labelled = targets >= 0
    if not labelled.any():
        raise DataError(
            "The evaluation data have no labels, so accuracy cannot be computed. "
            "Point [data] test at labelled samples."
        )
    if targets.max() >= outputs.shape[1]:
        raise DataError(
            f"The data have class {targets.max()}, but the network has "
            f"{outputs.shape[1]} outputs. Check [model] source and [data]."
        )
    correct = outputs.argmax(1)[labelled] == targets[labelled]
    return Evaluation(
        metric="accuracy", value=float(correct.mean()), samples=int(labelled.sum())
    )


def token_accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Share of known tokens whose largest output is their class."""
    known = _known(targets)
    right = (outputs.argmax(-1) == targets)[known]
    return Evaluation(
        metric="token accuracy", value=float(right.mean()), samples=len(outputs)
    )


def mean_intersection_over_union(outputs: Outputs, targets: Targets) -> Evaluation:
    """Overlap over union of what is and what is taken for a class, the mean over classes seen."""
    import torch
    from torchmetrics.functional.classification import multiclass_jaccard_index

    _known(targets)
    value = multiclass_jaccard_index(
        torch.from_numpy(outputs.argmax(1)),
        torch.from_numpy(targets),
        num_classes=outputs.shape[1],
        ignore_index=-1,
    )
    return Evaluation(metric="mean IoU", value=float(value), samples=len(outputs))


def mean_absolute_error(outputs: Outputs, targets: Targets) -> Evaluation:
    """The mean absolute difference from known values; NaN is not known."""
    values = targets.reshape(outputs.shape)
    known = ~np.isnan(values)
    if not known.any():
        raise DataError("The evaluation data have no values to compare with.")
    return Evaluation(
        metric="mean absolute error",
        value=float(np.abs(outputs - values)[known].mean()),
        samples=len(outputs),
        higher_is_better=False,
    )


def perplexity(outputs: Outputs, targets: Targets) -> Evaluation:
    """The exponential of the mean cross-entropy of known tokens."""
    known = _known(targets)
    logits = outputs[known].astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    chosen = np.take_along_axis(logits, targets[known][:, None], -1)[:, 0]
    surprise = np.log(np.exp(logits).sum(-1)) - chosen
    return Evaluation(
        metric="perplexity",
        value=float(np.exp(surprise.mean())),
        samples=len(outputs),
        higher_is_better=False,
    )


def _known(targets: Targets) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = targets >= 0
    if not known.any():
        raise DataError(
            "The evaluation data have no labels. Point [data] test at some."
        )
    return known


METRICS: Mapping[TaskKind, Callable[[Outputs, Targets], Evaluation]] = {
    "classification": accuracy,
    "token-classification": token_accuracy,
    "segmentation": mean_intersection_over_union,
    "regression": mean_absolute_error,
    "language-modelling": perplexity,
}
DECIDE: Mapping[TaskKind, int] = {
    "classification": 1,
    "segmentation": 1,
    "token-classification": -1,
    "language-modelling": -1,
}
"""The dimension of the classes, where outputs are logits."""
