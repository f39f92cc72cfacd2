"""Losses of each kind of task, by their definitions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from edgekit.tasks import losses
from tests.unit.distill.losses.tensors import normal


def test_soft_targets_by_definition() -> None:
    student, teacher, temperature = normal(6, 4), normal(6, 4, seed=1), 3.0
    p, q = ((x / temperature).softmax(1) for x in (teacher, student))
    expected = 9 * (p * (p / q).log()).sum(1)
    torch.testing.assert_close(
        losses.soft_targets(student, teacher, temperature), expected
    )
    torch.testing.assert_close(
        losses.soft_targets(teacher, teacher, temperature), torch.zeros(6)
    )


def test_hot_soft_targets_match_centered_logits() -> None:
    """The limit of Hinton et al., 2015, section 2.1: half the mean square of the difference."""
    student, teacher = (
        x - x.mean(1, keepdim=True) for x in (normal(6, 4), normal(6, 4, seed=1))
    )
    expected = ((student - teacher) ** 2).mean(1) / 2
    found = losses.soft_targets(student.double(), teacher.double(), 1e3)
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-3)


def test_smoothed_labels_by_definition() -> None:
    """Of three equal classes and one twice as likely: log 5 and log 2.5, mixed by hand."""
    logits = torch.tensor([[0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 2.0]])
    logits = logits.where(logits == 0, torch.tensor(2.0).log())
    found = losses.labels(logits, torch.tensor([3, -1]), smoothing=0.2)
    three, one = math.log(5), math.log(2.5)
    expected = 0.8 * one + 0.2 * (3 * three + one) / 4
    torch.testing.assert_close(found, torch.tensor([expected, 0.0]))


def test_labels_over_known_positions_only() -> None:
    logits = normal(2, 3, 4)
    targets = torch.tensor([[0, -1, 2, -1], [-1, -1, -1, -1]])
    found = losses.labels(logits, targets)
    expected = F.cross_entropy(logits[0, :, [0, 2]].T, torch.tensor([0, 2]))
    torch.testing.assert_close(found, torch.stack([expected, torch.zeros(())]))


def test_values_and_angles_by_definition() -> None:
    student, teacher = normal(6, 4), normal(6, 4, seed=1)
    apart = (student - teacher).square().mean(1)
    torch.testing.assert_close(losses.regression(student, teacher), apart)
    turned = torch.tensor([[0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]])
    ahead = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    torch.testing.assert_close(
        losses.angles(turned, ahead), torch.tensor([1.0, 0.0, 2.0])
    )


def test_a_class_number_behind_a_score_is_no_score() -> None:
    """YOLOv10's rows: corners, the score, and the number of its class."""
    form = losses.BoxForm(scores="probabilities", listed=True)
    boxes, scores = 20 * normal(2, 3, 4), normal(2, 3, 1).sigmoid()
    kinds = torch.tensor([0.0, 7, 79]).expand(2, 3)[..., None]
    teacher = torch.cat([boxes, scores, kinds], -1)
    student = torch.cat([boxes, normal(2, 3, 1, seed=1).sigmoid(), 0 * kinds], -1)
    found = losses.detections(student, teacher, form)
    apart = F.binary_cross_entropy(student[..., 4], scores[..., 0], reduction="none")
    expected = apart.sum(1) / scores[..., 0].sum(1).clamp(min=1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
