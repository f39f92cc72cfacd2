"""Distillation of a student by its teachers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from edgekit.api.datasets import Data
from edgekit.api.metrics import Loss, Score, metric_of, task_of
from edgekit.api.networks import Network
from edgekit.distill import Hooks
from edgekit.distill import distill as train
from edgekit.error_pages import of as page_of
from edgekit.errors import WorkerLost
from edgekit.pipeline import distributed
from edgekit.progress import Logged, Progress
from edgekit.tasks.reading import selected
from edgekit.types import DistillRecipe, Epoch, Recipe


def distill(  # noqa: PLR0913
    student: Network,
    *,
    teacher: Network | Sequence[Network],
    data: Data,
    epochs: int | None = None,
    loss: Loss | None = None,
    teacher_loss: Loss | None = None,
    metric: Score | str | None = None,
    higher_is_better: bool = True,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Network:
    """A copy of a student, trained on the outputs of its teacher and the labels, where there
    are any.

    Several teachers are averaged. The last epoch is kept, or the best on validation samples where
    that is better (by more than a standard error where the metric counts samples); `history` of
    what is returned holds all, `kept_epoch` the number of the one kept. `loss(outputs, targets)`
    and `teacher_loss(outputs, others)` take tensors (batch, ...) and return losses (batch,) or one
    for all; `metric(outputs, targets)` takes arrays (n, ...) and returns a number, or is one of
    the task's by name. `epochs` takes the place of `recipe.distill.epochs`, 20 by default. The
    same `recipe.seed` gives the same student.
    Raises `TrainingError` where the loss is no longer finite, `ModelError` where student and
    teacher do not take and give the same, `DataError` for samples that do not fit them.

    Under `torchrun` or `accelerate launch` all processes train together, each of which makes the
    same call. `WorkerLost` is raised where another one was lost; a process whose main thread waits
    for one on a machine that has gone ends with that error.
    """
    teachers = [teacher] if isinstance(teacher, Network) else list(teacher)
    shown = progress or Logged()
    # A pruned student comes with its teacher's weights, and needs no further losses.
    recipe = recipe or Recipe(distill=DistillRecipe(losses={}))
    how = recipe.distill if epochs is None else replace(recipe.distill, epochs=epochs)
    program = selected(student.program, data.task)
    judge = None
    if metric is not None:
        judge = metric_of(metric, data.task, higher_is_better=higher_is_better)
    training, validation = data.training(program, how.validation_fraction, recipe.seed)
    with shown.step("Distill") as step, distributed.watched(_end):

        def show(epoch: Epoch) -> None:
            note = f"loss {epoch.loss:.4f}, validation {epoch.shown}"
            step.update(epoch.number, how.epochs, note)

        trained = train(
            [selected(one.program, data.task) for one in teachers],
            program,
            train=training,
            validation=validation,
            recipe=how,
            seed=recipe.seed,
            task=task_of(data.task, metric=judge, loss=loss, teacher_loss=teacher_loss),
            hooks=Hooks(on_epoch=show),
        )
    return Network(
        trained.program, history=trained.epochs, kept_epoch=trained.kept_epoch
    )


def _end(error: WorkerLost) -> None:
    """End this process, whose main thread waits for a lost one: no exception reaches it there."""
    line = f"Error: {error} [{page_of(type(error)).id}]"
    print(line, file=sys.stderr, flush=True)
    os._exit(error.exit_code)
