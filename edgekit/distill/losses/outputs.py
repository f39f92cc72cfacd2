"""What the outputs of two networks have to say to each other; one loss a sample, (batch,)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-8


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
    return _by_sample(divergence.sum(1)) * temperature**2


def labels(student: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with the true class, over the positions where it is known (not -1).

    Logits (batch, classes, ...), targets (batch, ...), to losses (batch,); 0 where none is known.
    """
    losses = F.cross_entropy(student, targets, ignore_index=-1, reduction="none")
    if losses.ndim == 1:
        return losses
    known = (targets >= 0).flatten(1).sum(1).clamp(min=1)
    return losses.flatten(1).sum(1) / known


def decoupled(
    student: Tensor, teacher: Tensor, temperature: float, beta: float = 2.0
) -> Tensor:
    """Decoupled distillation: `target class against the rest` plus `beta` times the rest alone.

    Zhao et al., 2022, arXiv:2203.08679, with the teacher's decision as the target class, so that
    no label is needed. Logits (batch, classes, ...) to losses (batch,).
    """
    target = teacher.argmax(1, keepdim=True)
    target_part = _divergence(
        *(_against_the_rest(x / temperature, target) for x in (student, teacher))
    )
    away = torch.zeros_like(student).scatter(1, target, -torch.inf)
    ours, theirs = (
        F.log_softmax(x / temperature + away, dim=1).masked_fill(away < 0, 0.0)
        for x in (student, teacher)
    )
    rest_part = _divergence(ours, theirs)
    return _by_sample(target_part + beta * rest_part) * temperature**2


def correlations(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """DIST: one minus the correlation of each sample's classes, and of each class's samples.

    Huang et al., 2022, arXiv:2205.10536. It asks for the teacher's ranking and not for its
    values, which a much smaller student cannot reach. Logits (batch, classes) to losses (batch,).
    """
    ours, theirs = (
        F.softmax(_rows(x) / temperature, dim=1) for x in (student, teacher)
    )
    within = 1 - _pearson(ours, theirs, dim=1)
    between = 1 - _pearson(ours, theirs, dim=0).mean()
    per_sample = within.reshape(len(student), -1).mean(1)
    return (per_sample + between) * temperature**2


def regression(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of values, of embeddings say: (batch, ...) to losses (batch,)."""
    return _by_sample((student - teacher).square())


def angles(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of embeddings (batch, size), to losses (batch,)."""
    return 1 - F.cosine_similarity(student.flatten(1), teacher.flatten(1), dim=1)


def detections(student: Tensor, teacher: Tensor, boxes: int = 4) -> Tensor:
    """Class heads by binary cross-entropy with the teacher's probabilities, and box heads by
    absolute difference, weighed by how sure the teacher is that something is there.

    After Chen et al., 2017, "Learning Efficient Object Detection Models with Knowledge
    Distillation". Outputs (batch, places, boxes + classes), to losses (batch,).
    """
    probability = teacher[..., boxes:].sigmoid()
    classes = F.binary_cross_entropy_with_logits(
        student[..., boxes:], probability, reduction="none"
    )
    sure = probability.amax(-1)
    apart = (student[..., :boxes] - teacher[..., :boxes]).abs().mean(-1)
    located = (sure * apart).flatten(1).sum(1) / (sure.flatten(1).sum(1) + _TINY)
    return _by_sample(classes) + located


def _by_sample(losses: Tensor) -> Tensor:
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def _rows(logits: Tensor) -> Tensor:
    """(batch, classes, ...) as (batch * positions, classes)."""
    return logits.movedim(1, -1).flatten(0, -2)


def _against_the_rest(logits: Tensor, target: Tensor) -> Tensor:
    """Logarithms of what the target class has, and all others together: (batch, 2, ...)."""
    logarithms = F.log_softmax(logits, dim=1)
    away = torch.zeros_like(logits).scatter(1, target, -torch.inf)
    rest = (logarithms + away).logsumexp(1, keepdim=True)
    return torch.cat([logarithms.gather(1, target), rest], dim=1)


def _divergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """Kullback-Leibler divergence of log-probabilities, over dimension 1."""
    return (theirs.exp() * (theirs - ours)).sum(1)


def _pearson(x: Tensor, y: Tensor, dim: int) -> Tensor:
    x = x - x.mean(dim, keepdim=True)
    y = y - y.mean(dim, keepdim=True)
    sizes: Tensor = x.norm(dim=dim) * y.norm(dim=dim)
    return (x * y).sum(dim) / (sizes + _TINY)
