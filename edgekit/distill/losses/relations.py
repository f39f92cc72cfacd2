"""Losses on relations between the samples of a batch, in one network and in the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-8


def distances(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D: Huber loss of the distances between samples, each over their own mean: ().

    Park et al., 2019, arXiv:1904.05068. Representations (batch, ...) of any widths.
    """
    return F.smooth_l1_loss(_spread(student), _spread(teacher))


def triangles(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-A: Huber loss of the angles of all triangles of samples: ().

    Park et al., 2019, arXiv:1904.05068. Memory grows with the cube of the batch.
    """
    return F.smooth_l1_loss(_corners(student), _corners(teacher))


def similarities(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of the row-normalized similarities of all pairs of samples: ().

    Tung and Mori, 2019, arXiv:1907.09682, times the batch, so that its size does not hang on it.
    """
    ours, theirs = (
        F.normalize(x.flatten(1) @ x.flatten(1).T, dim=1) for x in (student, teacher)
    )
    return (ours - theirs).square().sum(1).mean()


def _spread(x: Tensor) -> Tensor:
    x = x.flatten(1)
    squared = (x[:, None] - x[None]).square().sum(2)
    apart = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    # Not at 0, where the square root has no slope.
    distance = squared.masked_fill(~apart, 1.0).sqrt() * apart
    return distance / (distance.sum() / apart.sum().clamp(min=1) + _TINY)


def _corners(x: Tensor) -> Tensor:
    x = x.flatten(1)
    sides = F.normalize(x[None] - x[:, None], dim=2)
    return torch.bmm(sides, sides.transpose(1, 2))
