"""Losses of outputs against a teacher's and against targets: one a sample, (batch,)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.tasks.box_overlap import corners, generalized_iou

_TINY = 1e-8
_EDGE = 1e-6
_LEAST_SPREAD = 1e-4
"""Of the mean square: the variance of a batch of alike samples is rounding."""
_LOCALIZED = 2.0
"""Temperature of the distributions of a box's sides."""
BOX = 4
"""Numbers of a box, which come before its scores."""
Soft = Callable[[Tensor, Tensor, float], Tensor]
Hard = Callable[[Tensor, Tensor], Tensor]
Scores = Literal["logits", "softmax", "probabilities"]
Factor = Literal["objectness", "centerness"]
BoxSides = Literal["corners", "centers"]


def _as_given(output: Tensor) -> Tensor:
    return output


def no_labels(student: Tensor, targets: Tensor) -> Tensor:
    """The loss of a kind of task that learns from its teacher alone: zeros (batch,)."""
    return student.new_zeros(len(student))


def none_known(targets: Tensor) -> Tensor:
    """Return that no sample has a label: (batch,)."""
    return torch.zeros(len(targets), dtype=torch.bool, device=targets.device)


@dataclass(frozen=True, kw_only=True)
class TaskLosses:
    """`soft(student, teacher, temperature)` and `hard(student, targets)` to losses (batch,);
    `known(targets)` is 1 for a sample with a label and 0 for others, (batch,)."""

    soft: Soft
    hard: Hard = no_labels
    known: Callable[[Tensor], Tensor] = none_known
    arrange: Callable[[Tensor], Tensor] = _as_given
    """Outputs with the classes in dimension 1, as losses on outputs take them."""
    restore: Callable[[Tensor], Tensor] = _as_given
    """The inverse of `arrange`: outputs as the network gives them."""

    @property
    def from_labels(self) -> bool:
        """Return whether labels are learned from."""
        return self.hard is not no_labels


def soft_targets(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened outputs, times the squared temperature.

    Hinton et al., 2015, arXiv:1503.02531. The factor keeps the gradient's size the same at
    any temperature. Logits (batch, classes, ...) to losses (batch,), the mean over positions.
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="none",
        log_target=True,
    )
    return by_sample(divergence.sum(1)) * temperature**2


def labels(student: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with the true class, over the positions where it is known (not -1), or with
    1 - `smoothing` of it and the rest spread over all classes.

    Logits (batch, classes, ...), targets (batch, ...), to losses (batch,); 0 where none is known.
    """
    losses = F.cross_entropy(
        student,
        targets,
        ignore_index=-1,
        reduction="none",
        label_smoothing=smoothing,
    )
    if losses.ndim == 1:
        return losses
    known = (targets >= 0).flatten(1).sum(1).clamp(min=1)
    return losses.flatten(1).sum(1) / known


def regression(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of values, for example of embeddings: (batch, ...) to losses
    (batch,)."""
    return by_sample((student - teacher).square())


def relative_squared_error(student: Tensor, teacher: Tensor) -> Tensor:
    """The squared difference over the variance of the teacher's values in the batch, so that
    outputs in any unit weigh the same: (batch, ...) to losses (batch,)."""
    ours, theirs = student.float(), teacher.float()
    spread = (theirs - theirs.mean(0)).square().mean()
    scale = torch.maximum(spread, _LEAST_SPREAD * theirs.square().mean())
    return by_sample((ours - theirs).square()) / (scale + _TINY)


def angles(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of embeddings (batch, size), to losses (batch,)."""
    return 1 - F.cosine_similarity(student.flatten(1), teacher.flatten(1), dim=1)


@dataclass(frozen=True, kw_only=True)
class BoxForm:
    """Form of a detector's output (batch, places, numbers of a box + scores)."""

    scores: Scores = "logits"
    """Logits, each class for itself or over classes (`softmax`), or probabilities."""
    background: int | None = None
    """The class that means that nothing is there."""
    factor: Factor | None = None
    """The first score, where the others are multiplied by it."""
    bins: int | None = None
    """Where a box is four distributions, the bins of each; `None` where it is four numbers."""
    sides: BoxSides | None = None
    """Meaning of the four numbers where they are a box by themselves: its corners, or its center
    and size; `None` for offsets to places or anchors."""
    listed: bool = False
    """True where the number of its class follows the only score, and is not learned."""

    @property
    def numbers(self) -> int:
        """Numbers of a box, which come before its scores."""
        return BOX * (self.bins or 1)


def detections(student: Tensor, teacher: Tensor, form: BoxForm) -> Tensor:
    """Class heads by cross-entropy with the teacher's probabilities, and box heads by absolute
    difference, weighed by how sure the teacher is that something is there.

    After Chen et al., 2017, "Learning Efficient Object Detection Models with Knowledge
    Distillation". Outputs (batch, places, numbers + classes), to losses (batch,): sums over places
    relative to how many places the teacher is sure of, as detectors are trained by labels. A mean
    over places would shrink the part of the scores by all places without anything. Boxes in pixels
    count relative to their size, and whole boxes by GIoU, too, to which a small one weighs as much
    as a large one; boxes that are distributions are compared as such.
    """
    student, teacher = (x.flatten(1, -2) for x in (student, teacher))
    at, end = form.numbers, -1 if form.listed else None
    classes, probability = _class_losses(
        student[..., at:end], teacher[..., at:end], form
    )
    sure = _something(probability, form)
    apart = _boxes_apart(student[..., :at], teacher[..., :at], sure, form)
    total = classes.flatten(1).sum(1) + (sure * apart).sum(1)
    return total / sure.sum(1).clamp(min=1)


def _boxes_apart(
    student: Tensor, teacher: Tensor, sure: Tensor, form: BoxForm
) -> Tensor:
    """Differences of boxes (batch, places, numbers), as distributions or over the mean of the
    sample's own numbers, where that is above 1, and by their overlap: (batch, places)."""
    if form.bins is not None:
        return _sides_apart(student, teacher, form.bins)
    size = (sure * teacher.abs().mean(-1)).sum(1) / (sure.sum(1) + _TINY)
    apart = (student - teacher).abs().mean(-1)
    relative: Tensor = apart / size.clamp(min=1)[:, None]
    if form.sides is None:
        return relative
    pair = (student, teacher)
    if form.sides == "centers":
        pair = (corners(student), corners(teacher))
    return relative + 1 - generalized_iou(*pair)


def _something(probability: Tensor, form: BoxForm) -> Tensor:
    """The teacher's probability of any object at a place: (batch, places)."""
    if form.factor is not None:
        return probability[..., 0] * probability[..., 1:].amax(-1)
    count = probability.shape[-1]
    nothing = None if form.background is None else form.background % count
    return probability[..., [n for n in range(count) if n != nothing]].amax(-1)


def _class_losses(ours: Tensor, theirs: Tensor, form: BoxForm) -> tuple[Tensor, Tensor]:
    """Losses of scores (batch, places, ...), and the teacher's probabilities."""
    if form.scores == "softmax":
        probability = theirs.softmax(-1)
        return -(probability * ours.log_softmax(-1)).sum(-1), probability
    if form.scores == "probabilities":
        losses = F.binary_cross_entropy(
            _within(ours), _within(theirs), reduction="none"
        )
        return _where_learned(losses, theirs, form), theirs
    probability = theirs.sigmoid()
    losses = F.binary_cross_entropy_with_logits(ours, probability, reduction="none")
    return _where_learned(losses, probability, form), probability


def _where_learned(losses: Tensor, probability: Tensor, form: BoxForm) -> Tensor:
    """Losses (batch, places, scores) by the probability that the teacher learned a score there:
    classes where there is an object, a centerness where there is a class."""
    if form.factor is None:
        return losses
    first, others = losses[..., :1], losses[..., 1:]
    if form.factor == "objectness":
        others = others * probability[..., :1]
    else:
        first = first * probability[..., 1:].amax(-1, keepdim=True)
    return torch.cat([first, others], -1)


def _sides_apart(student: Tensor, teacher: Tensor, bins: int) -> Tensor:
    """Localization distillation: the divergence of the distributions of a box's four sides.

    Zheng et al., 2022, arXiv:2102.12252. Logits (batch, places, 4 * bins), to (batch, places).
    """
    ours, theirs = (
        F.log_softmax(x.reshape(*x.shape[:-1], BOX, bins) / _LOCALIZED, dim=-1)
        for x in (student, teacher)
    )
    divergence = F.kl_div(ours, theirs, reduction="none", log_target=True)
    return divergence.sum(-1).mean(-1) * _LOCALIZED**2


def _within(probabilities: Tensor) -> Tensor:
    """Probabilities a little away from 0 and 1, where the slope of their logarithm explodes; not
    cut off there, which would leave no slope at all."""
    return _EDGE + (1 - 2 * _EDGE) * probabilities.clamp(0, 1)


def by_sample(losses: Tensor) -> Tensor:
    """The mean over everything but the batch: (batch, ...) to (batch,)."""
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def classes_second(output: Tensor) -> Tensor:
    """Logits (batch, ..., classes) with the classes in dimension 1."""
    return output.movedim(-1, 1) if output.ndim > 2 else output


def classes_last(output: Tensor) -> Tensor:
    """The inverse of `classes_second`."""
    return output.movedim(1, -1) if output.ndim > 2 else output


def class_known(targets: Tensor) -> Tensor:
    """Mask of samples with a class, or a part that has one: (batch, ...) to (batch,)."""
    return (targets >= 0).flatten(1).any(1) if targets.ndim > 1 else targets >= 0


def value_known(targets: Tensor) -> Tensor:
    """Mask of samples with a value that is not NaN: (batch, ...) to (batch,)."""
    return ~targets.isnan().flatten(1).all(1) if targets.ndim > 1 else ~targets.isnan()


def squared_error(student: Tensor, targets: Tensor) -> Tensor:
    """The mean squared difference from known values (batch, ...), to losses (batch,)."""
    values = targets.reshape(student.shape).to(student.dtype)
    known = ~values.isnan()
    return over_known((student - torch.nan_to_num(values)).square(), known)


def over_known(losses: Tensor, known: Tensor) -> Tensor:
    """The mean of what is known: losses and their mask (batch, ...) to losses (batch,), 0 where
    nothing is."""
    counted = losses * known
    if counted.ndim == 1:
        return counted
    return counted.flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)


def known(targets: Tensor) -> Tensor:
    """Mask of samples with a value or class, whichever the targets (batch, ...) are:
    (batch,)."""
    return value_known(targets) if targets.is_floating_point() else class_known(targets)


CLASSES = TaskLosses(soft=soft_targets, hard=labels, known=class_known)
"""Of logits (batch, classes, ...) and classes (batch, ...)."""
TOKENS = TaskLosses(
    soft=soft_targets,
    hard=labels,
    known=class_known,
    arrange=classes_second,
    restore=classes_last,
)
"""Of logits (batch, ..., classes) and classes (batch, ...)."""
