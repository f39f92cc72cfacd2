"""Losses between the outputs of two networks; one loss a sample, (batch,)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.tasks.losses import by_sample

_TINY = 1e-8


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
    return by_sample(target_part + beta * rest_part) * temperature**2


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
