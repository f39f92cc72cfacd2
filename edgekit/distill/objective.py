"""The training objective: the weighted sum of the recipe's losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgekit import tasks
from edgekit.distill.features import ModelOutputs
from edgekit.distill.losses import LOSSES
from edgekit.distill.pairing import share_maps
from edgekit.program.program import Program
from edgekit.tasks.losses import CLASSES, TaskLosses, relative_squared_error
from edgekit.types import DEFAULT_TASK, DistillRecipe, LossName, TaskKind


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of a batch, `None` where there are none at all; where samples were mixed,
    `fraction` of these and the rest `other`."""

    targets: Tensor | None
    other: Tensor | None = None
    fraction: float = 1.0


ATTENTION_TRANSFER = 50.0
"""Its weight where the recipe leaves the losses open: see benchmarks/RESULTS.md."""


def resolved(
    recipe: DistillRecipe,
    teacher: Program,
    student: Program,
    kind: TaskKind = DEFAULT_TASK,
    *,
    own_augment: bool = False,
) -> DistillRecipe:
    """The recipe with its further losses and its augmentation named, for this pair; the user's
    `own_augment` takes the place of the default."""
    task = tasks.of(kind)
    if recipe.augment is None:
        shifts = task.shifts and not own_augment
        recipe = replace(recipe, augment="shift" if shifts else "none")
    if recipe.losses is not None:
        return recipe
    losses: dict[LossName, float] = {}
    # A recipe for labels alone gets no teacher by another option either. Its weight was found on
    # classes of images, and did harm to a segmentation.
    distilled = task.labels_samples and recipe.soft_weight
    if distilled and share_maps(teacher, student):
        losses["attention-transfer"] = ATTENTION_TRANSFER
    return replace(recipe, losses=losses)


def objective(
    student: ModelOutputs,
    teacher: ModelOutputs | None,
    known_targets: Targets,
    *,
    recipe: DistillRecipe,
    task_losses: TaskLosses = CLASSES,
) -> Tensor:
    """The mean over a batch: `soft_weight` of soft targets, the rest of labels, the outputs that
    the task does not read, and the further losses by their weights: ().

    A sample without a label learns from its teacher alone; without a teacher labels are all.
    """
    ours = task_losses.arrange(student.output.float())
    known, hard = _by_labels(ours, known_targets, task_losses)
    if teacher is None:
        return hard.mean()
    theirs = task_losses.arrange(teacher.output.float())
    label_weight = known.to(ours.dtype) * (1 - recipe.soft_weight)
    soft = task_losses.soft(ours, theirs, recipe.temperature)
    loss = torch.mean((1 - label_weight) * soft + label_weight * hard)
    if student.others and teacher.others:
        loss = loss + recipe.outputs_weight * _drift(student.others, teacher.others)
    views = replace(student, output=ours), replace(teacher, output=theirs)
    for name, weight in (recipe.losses or {}).items():
        loss = loss + weight * LOSSES[name](*views, recipe.temperature).mean()
    return loss


def _drift(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """Mean distance of outputs (batch, ...) from the teacher's: ()."""
    pairs = zip(ours, theirs, strict=True)
    return torch.stack([relative_squared_error(*pair).mean() for pair in pairs]).mean()


def _by_labels(
    ours: Tensor, known_targets: Targets, task_losses: TaskLosses
) -> tuple[Tensor, Tensor]:
    """Of which samples something is known, and the loss that labels give: (batch,) each."""
    if known_targets.targets is None:
        nothing = ours.new_zeros(len(ours))
        return nothing.bool(), nothing
    known = task_losses.known(known_targets.targets)
    hard = task_losses.hard(ours, known_targets.targets)
    if known_targets.other is not None:
        known = known & task_losses.known(known_targets.other)
        other = task_losses.hard(ours, known_targets.other)
        hard = known_targets.fraction * hard + (1 - known_targets.fraction) * other
    return known, hard
