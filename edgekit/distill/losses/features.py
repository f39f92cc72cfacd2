"""Losses between inner layers of two networks: pairs of (batch, channels, ...)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-8


def hints(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of a pair of layers, over the teacher's mean square: () .

    FitNets: Romero et al., 2015, arXiv:1412.6550. The student's layer comes projected to the
    teacher's width by a learned map, which is thrown away afterwards.
    """
    return F.mse_loss(student, teacher) / (teacher.square().mean() + _TINY)


def attention_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """Distance of the normalized maps of where the channels are active together: ().

    Zagoruyko and Komodakis, 2017, arXiv:1612.03928. (batch, channels, height, width) each; the
    widths may differ.
    """
    return (_activity(student) - _activity(teacher)).square().sum(1).mean()


def flow(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Distance of the Gram matrices of a layer with a later one: how the network gets from the
    one to the other, over the teacher's mean square: ().

    FSP: Yim et al., 2017, "A Gift from Knowledge Distillation". The widths must be the same.
    """
    ours, theirs = _gram(*student), _gram(*teacher)
    return F.mse_loss(ours, theirs) / (theirs.square().mean() + _TINY)


def _activity(features: Tensor) -> Tensor:
    """Where the mean square of the channels is large: (batch, places), of length 1."""
    return F.normalize(_by_channel(features).square().mean(1), dim=1)


def _gram(early: Tensor, late: Tensor) -> Tensor:
    """(batch, early channels, late channels); the larger map is pooled to the smaller's size."""
    if early.ndim == 4 and early.shape[2:] != late.shape[2:]:
        early = F.adaptive_max_pool2d(early, late.shape[2:])
    early, late = _by_channel(early), _by_channel(late)
    return early @ late.transpose(1, 2) / early.shape[2]


def _by_channel(features: Tensor) -> Tensor:
    """Maps, or features of tokens, as (batch, channels, places)."""
    return features.transpose(1, 2) if features.ndim == 3 else features.flatten(2)
