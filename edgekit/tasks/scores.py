"""The metrics by name, over what is labeled; those of torchmetrics where it has them.

Each takes outputs as the network gives them and targets (n, ...), and raises `DataError` where
nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgekit.errors import DataError
from edgekit.tasks.targets import Targets
from edgekit.types import Evaluation

Outputs = NDArray[np.float32]
Metric = Callable[[Outputs, Targets], Evaluation]
UNKNOWN = -1
_FLAT = 0.01
_AT_ONCE = 16
"""Samples that are compared at once: in float64, all of them are several times their memory."""
_COUNTABLE = 2**22
"""The precision of a float32 fraction reveals its denominator."""


def accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Fraction of samples whose largest output is their class; unlabeled samples do not count."""
    labeled = targets >= 0
    if not labeled.any():
        raise DataError(
            "The evaluation data have no labels, so accuracy cannot be computed. "
            "Point [data] test at labeled samples."
        )
    if targets.max() >= outputs.shape[1]:
        raise DataError(
            f"The data have class {targets.max()}, but the network has "
            f"{outputs.shape[1]} outputs. Check [model] source and [data]."
        )
    correct = outputs.argmax(1)[labeled] == targets[labeled]
    return counted("accuracy", correct, samples=len(correct))


def counted(metric: str, correct: NDArray[np.bool_], *, samples: int) -> Evaluation:
    """The fraction of `correct` (number,) that is true, with its counts."""
    return _fraction(metric, int(correct.sum()), correct.size, samples)


def _fraction(metric: str, correct: int, of: int, samples: int) -> Evaluation:
    return Evaluation(
        metric=metric,
        value=correct / of,
        samples=samples,
        correct=correct,
        counted=of,
    )


def same_decisions(outputs: Outputs, others: Outputs, axis: int) -> Evaluation:
    """Fraction of equal decisions between the classes of dimension `axis` of both, (n, ...)."""
    same = outputs.argmax(axis) == others.argmax(axis)
    return counted("agreement", same, samples=len(outputs))


def distance(outputs: Outputs, others: Outputs) -> Evaluation:
    """The mean absolute difference of two networks' outputs (n, ...)."""
    return Evaluation(
        metric="distance",
        value=float(np.abs(outputs - others).mean()),
        samples=len(outputs),
        higher_is_better=False,
        is_fraction=False,
    )


def least_explained(
    outputs: Sequence[Outputs], others: Sequence[Outputs]
) -> Evaluation:
    """Fraction of the variance of two networks' outputs that they have in common, of the part
    (n, ...) where it is least."""
    pairs = zip(outputs, others, strict=True)
    return Evaluation(
        metric="agreement",
        value=max(0.0, min(explained(*pair, part=True) for pair in pairs)),
        samples=len(outputs[0]),
    )


def explained(outputs: Outputs, others: Outputs, *, part: bool = False) -> float:
    """Fraction of the variance of `others` that `outputs` have in common with them; at most 1.

    Of a `part` of an output, deviations below a hundredth of its largest number are not counted:
    scores of samples without anything are nearly constant.
    """
    mean = others.mean(0, dtype=np.float64)
    spread = apart = largest = 0.0
    for pair in in_parts(outputs, others):
        some, expected = (each.astype(np.float64) for each in pair)
        spread += float(np.square(expected - mean).sum())
        apart += float(np.square(some - expected).sum())
        largest = max(largest, float(np.abs(expected).max(initial=0.0)))
    if part:
        spread = max(spread, (_FLAT * largest) ** 2 * others.size)
    return 1 - apart / max(spread, 1e-12)


def in_parts(outputs: Outputs, others: Outputs) -> Iterator[tuple[Outputs, Outputs]]:
    """A few samples of both at a time."""
    outputs, others = np.atleast_1d(outputs, others)
    for start in range(0, len(outputs), _AT_ONCE):
        yield outputs[start : start + _AT_ONCE], others[start : start + _AT_ONCE]


def token_accuracy(outputs: Outputs, targets: Targets) -> Evaluation:
    """Fraction of known tokens whose largest output is their class."""
    known = _known(targets)
    right = (outputs.argmax(-1) == targets)[known]
    return counted("token accuracy", right, samples=len(outputs))


def mean_intersection_over_union(outputs: Outputs, targets: Targets) -> Evaluation:
    """Overlap over union of what is and what is taken for a class, the mean over classes seen."""
    from torchmetrics.functional.classification import multiclass_jaccard_index

    _known(targets)
    value = multiclass_jaccard_index(
        torch.from_numpy(outputs.argmax(1)),
        torch.from_numpy(targets),
        num_classes=outputs.shape[1],
        ignore_index=UNKNOWN,
    )
    return Evaluation(metric="mean IoU", value=float(value), samples=len(outputs))


def mean_absolute_error(outputs: Outputs, targets: Targets) -> Evaluation:
    """The mean absolute difference from known values; NaN is not known."""
    ours, theirs = _values(outputs, targets)
    return Evaluation(
        metric="mean absolute error",
        value=float((ours - theirs).abs().mean()),
        samples=len(outputs),
        higher_is_better=False,
        is_fraction=False,
    )


def perplexity(outputs: Outputs, targets: Targets) -> Evaluation:
    """The exponential of the mean cross-entropy of known tokens; outputs are logits, or
    probabilities where all are from 0 to 1."""
    known = _known(targets)
    logits = outputs[known].astype(np.float64)
    if logits.min() >= 0 and logits.max() <= 1:
        logits = np.log(np.maximum(logits, np.finfo(np.float32).tiny))
    logits -= logits.max(-1, keepdims=True)
    chosen = np.take_along_axis(logits, targets[known][:, None], -1)[:, 0]
    surprise = np.log(np.exp(logits).sum(-1)) - chosen
    return Evaluation(
        metric="perplexity",
        value=float(np.exp(surprise.mean())),
        samples=len(outputs),
        higher_is_better=False,
        is_fraction=False,
    )


def _of_classes(metric: str, function: str, axis: int = 1, **options: Any) -> Metric:
    """A function of torchmetrics over classes, those of `axis` in the outputs."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional import classification

        known = int(_known(targets).sum())
        given = torch.from_numpy(np.ascontiguousarray(np.moveaxis(outputs, axis, 1)))
        classes = given.shape[1]
        chosen = {
            name: min(value, classes) if name == "top_k" else value
            for name, value in options.items()
        }
        value = getattr(classification, function)(
            given,
            torch.from_numpy(targets),
            num_classes=classes,
            ignore_index=UNKNOWN,
            **chosen,
        )
        fraction = float(value)
        if options.get("average") == "micro" and known < _COUNTABLE:
            return _fraction(metric, round(fraction * known), known, len(outputs))
        return Evaluation(metric=metric, value=fraction, samples=len(outputs))

    return score


def _of_values(metric: str, function: str, *, lower: bool = False) -> Metric:
    """A function of torchmetrics over values; `lower` is better."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        from torchmetrics.functional import regression

        ours, theirs = _values(outputs, targets)
        return Evaluation(
            metric=metric,
            value=float(getattr(regression, function)(ours, theirs)),
            samples=len(outputs),
            higher_is_better=not lower,
            is_fraction=not lower,
        )

    return score


def cosine_similarity(outputs: Outputs, targets: Targets) -> Evaluation:
    """The mean cosine of embeddings with those that are right, one a sample."""
    from torchmetrics.functional.regression import cosine_similarity as cosine

    if targets.dtype.kind != "f" or targets.size != outputs.size:
        raise DataError(
            f"The evaluation data have targets of shape {list(targets.shape)}, and the network "
            f"returns {list(outputs.shape)}."
        )
    known = ~np.isnan(targets.reshape(len(targets), -1)).any(1)
    pair = (
        torch.from_numpy(x[known].reshape(known.sum(), -1)) for x in (outputs, targets)
    )
    value = cosine(*pair, reduction="mean")
    return Evaluation(
        metric="cosine similarity", value=float(value), samples=int(known.sum())
    )


def embedded(outputs: Outputs, targets: Targets) -> Evaluation:
    """Cosine similarity where targets are embeddings, retrieval where they are classes."""
    score = cosine_similarity if targets.dtype.kind == "f" else retrieval_precision
    return score(outputs, targets)


def retrieval_precision(outputs: Outputs, targets: Targets) -> Evaluation:
    """Fraction of samples whose nearest other embedding, by cosine, is of their class."""
    right = _retrieved(outputs, targets, 1)
    return counted("retrieval precision", right, samples=len(right))


def recall_at(most: int) -> Metric:
    """Fraction of samples with one of their class among the `most` nearest others, by cosine."""

    def score(outputs: Outputs, targets: Targets) -> Evaluation:
        right = _retrieved(outputs, targets, most)
        return counted(f"recall at {most}", right, samples=len(right))

    return score


def _retrieved(outputs: Outputs, targets: Targets, most: int) -> NDArray[np.bool_]:
    """Mask of the known samples that have one of their class among their `most` nearest others."""
    if targets.ndim != 1 or targets.dtype.kind == "f":
        raise DataError(
            f"The evaluation data have targets of shape {list(targets.shape)}; retrieval takes "
            "one class a sample."
        )
    known = _known(targets)
    embedded = outputs[known].reshape(known.sum(), -1).astype(np.float64)
    embedded /= np.maximum(np.linalg.norm(embedded, axis=1, keepdims=True), 1e-12)
    near = embedded @ embedded.T
    np.fill_diagonal(near, -np.inf)
    classes = targets[known]
    most = min(most, len(classes))
    nearest = np.argpartition(-near, most - 1, axis=1)[:, :most]
    same = classes[nearest] == classes[:, None]
    others = np.take_along_axis(near, nearest, 1) > -np.inf
    return np.asarray((same & others).any(1))


def _known(targets: Targets) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = targets >= 0
    if not known.any():
        raise DataError(
            "The evaluation data have no labels. Point [data] test at some."
        )
    return known


def _values(outputs: Outputs, targets: Targets) -> tuple[Tensor, Tensor]:
    """Outputs and targets that are known, (number,) each."""
    known = ~np.isnan(targets)
    if not known.any():
        raise DataError("The evaluation data have no values to compare with.")
    if targets.size != outputs.size:
        raise DataError(
            f"The evaluation data have targets of shape {list(targets.shape)}, and the network "
            f"returns {list(outputs.shape)}."
        )
    values, known = targets.reshape(outputs.shape), known.reshape(outputs.shape)
    return torch.from_numpy(outputs[known]), torch.from_numpy(
        values[known].astype(outputs.dtype)
    )


top_5_accuracy = _of_classes(
    "top-5 accuracy", "multiclass_accuracy", top_k=5, average="micro"
)
balanced_accuracy = _of_classes(
    "balanced accuracy", "multiclass_accuracy", average="macro"
)
f1 = _of_classes("F1", "multiclass_f1_score", average="macro")
area_under_roc = _of_classes("area under the ROC curve", "multiclass_auroc")
pixel_accuracy = _of_classes("pixel accuracy", "multiclass_accuracy", average="micro")
dice = _of_classes("dice", "multiclass_f1_score", average="macro")
token_f1 = _of_classes("F1", "multiclass_f1_score", axis=-1, average="macro")
mean_squared_error = _of_values("mean squared error", "mean_squared_error", lower=True)
r2 = _of_values("R2", "r2_score")
pearson = _of_values("Pearson correlation", "pearson_corrcoef")
