from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edgekit.distill.features import ModelOutputs
from edgekit.distill.losses import outputs as losses
from edgekit.distill.objective import Targets, objective
from edgekit.tasks.losses import soft_targets
from edgekit.types import DistillRecipe


def logits(seed: int) -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))


def combined(
    student: torch.Tensor,
    teacher: torch.Tensor,
    targets: torch.Tensor,
    recipe: DistillRecipe,
) -> torch.Tensor:
    views = ModelOutputs(output=student), ModelOutputs(output=teacher)
    return objective(*views, Targets(targets=targets), recipe=recipe)


@pytest.mark.parametrize("soft_weight", [0.0, 0.3, 1.0])
def test_combination_by_weight(soft_weight: float) -> None:
    recipe = DistillRecipe(soft_weight=soft_weight, temperature=2.0)
    student, teacher, y = logits(0), logits(1), torch.arange(6) % 4
    soft = soft_targets(student, teacher, 2.0).mean()
    expected = soft_weight * soft + (1 - soft_weight) * F.cross_entropy(student, y)
    torch.testing.assert_close(combined(student, teacher, y, recipe), expected)


def test_unlabeled_samples_learn_from_soft_targets_alone() -> None:
    recipe = DistillRecipe(soft_weight=0.1)
    student, teacher = logits(0), logits(1)
    found = combined(student, teacher, torch.full((6,), -1), recipe)
    expected = soft_targets(student, teacher, recipe.temperature).mean()
    torch.testing.assert_close(found, expected)


def test_mixed_samples_learn_from_both_their_labels() -> None:
    recipe = DistillRecipe(soft_weight=0.25, temperature=1.0)
    student, teacher = logits(0), logits(1)
    y, other = torch.arange(6) % 4, torch.arange(1, 7) % 4
    known_targets = Targets(targets=y, other=other, fraction=0.7)
    found = objective(
        ModelOutputs(output=student),
        ModelOutputs(output=teacher),
        known_targets,
        recipe=recipe,
    )
    soft = soft_targets(student, teacher, 1.0).mean()
    hard = 0.7 * F.cross_entropy(student, y) + 0.3 * F.cross_entropy(student, other)
    torch.testing.assert_close(found, 0.25 * soft + 0.75 * hard)


def test_further_losses_are_added_by_weight() -> None:
    student, teacher, y = logits(0), logits(1), torch.arange(6) % 4
    without = DistillRecipe(losses={})
    both = DistillRecipe(losses={"dist": 3.0})
    added = combined(student, teacher, y, both) - combined(student, teacher, y, without)
    dist = losses.correlations(student, teacher, both.temperature).mean()
    torch.testing.assert_close(added, 3 * dist)


def test_outputs_in_any_unit_weigh_the_same() -> None:
    recipe, y = DistillRecipe(soft_weight=0.0, outputs_weight=0.5), torch.arange(6) % 4
    student, teacher = logits(0), logits(1)
    near, far = torch.randn(6, 3), torch.randn(6, 3)

    def found(unit: float) -> torch.Tensor:
        views = (
            ModelOutputs(output=student, others=(unit * near,)),
            ModelOutputs(output=teacher, others=(unit * far,)),
        )
        return objective(*views, Targets(targets=y), recipe=recipe)

    hard = F.cross_entropy(student, y)
    spread = far.var(0, correction=0).mean()
    expected = hard + 0.5 * (near - far).square().mean() / spread
    torch.testing.assert_close(found(1.0), expected)
    torch.testing.assert_close(found(1000.0), expected)
