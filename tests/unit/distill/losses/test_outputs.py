"""Losses on outputs, by their definitions."""

from __future__ import annotations

import torch

from edgekit.distill.losses import outputs
from edgekit.tasks.losses import soft_targets
from tests.unit.distill.losses.tensors import normal


def test_decoupled_parts_make_up_soft_targets() -> None:
    """Zhao et al., 2022, equation 7: KD is the target part and the rest, weighed by what the
    teacher leaves to it."""
    student, teacher, temperature = normal(6, 5), normal(6, 5, seed=1), 2.0
    target_part = outputs.decoupled(student, teacher, temperature, beta=0.0)
    both = outputs.decoupled(student, teacher, temperature, beta=1.0)
    left = 1 - (teacher / temperature).softmax(1).amax(1)
    torch.testing.assert_close(
        soft_targets(student, teacher, temperature),
        target_part + left * (both - target_part),
    )


def test_dist_asks_for_ranking_not_for_values() -> None:
    """A correlation does not see scale: in probabilities, softer answers of one ranking."""
    teacher = normal(8, 4)
    flat, wrong = teacher * 0.9, teacher.flip(1)
    near, far = (outputs.correlations(s, teacher, 1.0).mean() for s in (flat, wrong))
    assert near < 0.05 * far


def test_outputs_by_definition() -> None:
    student, teacher = normal(6, 4), normal(6, 4, seed=1)
    p, q = ((x / 2).softmax(1) for x in (student, teacher))
    within = torch.stack(
        [1 - torch.corrcoef(torch.stack(r))[0, 1] for r in zip(p, q, strict=True)]
    )
    between = [
        1 - torch.corrcoef(torch.stack(c))[0, 1] for c in zip(p.T, q.T, strict=True)
    ]
    expected = 4 * (within + torch.stack(between).mean())
    found = outputs.correlations(student, teacher, 2.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    target, both = (
        outputs.decoupled(student, teacher, 2.0, beta=beta) for beta in (0.0, 1.0)
    )
    torch.testing.assert_close(
        outputs.decoupled(student, teacher, 2.0), target + 2 * (both - target)
    )
