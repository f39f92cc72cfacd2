"""What a student is taught by: one function a loss, each (batch,) so that samples can weigh
differently."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.types import DistillRecipe


def soft_targets(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened outputs, times the squared temperature.

    Hinton et al., 2015, arXiv:1503.02531. The factor keeps the gradient's size the same at
    any temperature. Logits (batch, classes) to losses (batch,).
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="none",
        log_target=True,
    )
    return divergence.sum(1) * temperature**2


def labels(student: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with the true class, 0 where it is not known (-1)."""
    return F.cross_entropy(student, targets, ignore_index=-1, reduction="none")


def combined(
    student: Tensor, teacher: Tensor, targets: Tensor, recipe: DistillRecipe
) -> Tensor:
    """The mean over the batch: `soft_weight` of soft targets, the rest of labels.

    A sample without a label learns from soft targets alone.
    """
    labelled = (targets >= 0).to(student.dtype)
    label_weight = labelled * (1 - recipe.soft_weight)
    soft = soft_targets(student, teacher, recipe.temperature)
    return torch.mean(
        (1 - label_weight) * soft + label_weight * labels(student, targets)
    )
