"""The training loop: a student follows its teacher, and the best epoch is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from edgekit.data import Dataset
from edgekit.distill import losses
from edgekit.distill.augment import augment
from edgekit.distill.batches import Batch, Batches
from edgekit.errors import DataError, ModelError, TrainingError
from edgekit.source.program import Program, set_training
from edgekit.types import DistillRecipe, Epoch

MOMENTUM = 0.9
WARM_UP = 0.2
"""Share of the steps in which the one-cycle schedule climbs to its peak."""
CLIP = 5.0
"""Largest norm of the gradient; a longer one is scaled down to it."""
_EVALUATION_BATCH = 256
_FIRST_LOOK = 1024
"""Training samples that give the loss before training."""

Penalty = Callable[[fx.GraphModule], Tensor]
AfterStep = Callable[[fx.GraphModule], None]


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """The student after its best epoch; epoch 0 is the student as it was given."""

    program: Program
    epochs: tuple[Epoch, ...]
    best_epoch: int
    metric: Literal["accuracy", "agreement"]
    """What `Epoch.validation` is: accuracy, or, without labels, the share of samples on which
    student and teacher decide alike."""


def distill(  # noqa: PLR0913 (a pair, two data sets, and how)
    teacher: Program,
    student: Program,
    *,
    train: Dataset,
    validation: Dataset,
    recipe: DistillRecipe,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
    penalty: Penalty | None = None,
    after_step: AfterStep | None = None,
) -> Distilled:
    """Teach a copy of `student` the outputs of `teacher` and the labels, where there are any.

    The epoch with the best `validation` metric is kept, of equal ones the later, which has
    been trained for longer at a lower rate. The same seed gives the same result. Raises
    `TrainingError` where the loss is no longer finite.

    `penalty(module)` is added to the loss that is descended (not to the one reported), its
    gradient unclipped; the last epoch is then kept, for what the penalty has done by then is the
    point. `after_step(module)` may change weights after each step, as masks do.
    """
    if len(train) < 2:
        raise DataError(
            f"Distillation needs at least 2 training samples, not {len(train)}. "
            "Check [data] train."
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for dropout inside the student
        lesson = _Lesson(teacher, student.copy(), train, validation, recipe, seed)
        lesson.penalty, lesson.after_step = penalty, after_step
        best, kept = lesson.before(), lesson.weights()
        epochs = [best]
        _announce(best, on_epoch)
        for number in range(1, recipe.epochs + 1):
            epoch = lesson.epoch(number)
            if epoch.validation >= best.validation or penalty is not None:
                best, kept = epoch, lesson.weights()
            epochs.append(epoch)
            _announce(epoch, on_epoch)
        return Distilled(
            program=lesson.finished(kept),
            epochs=tuple(epochs),
            best_epoch=best.number,
            metric=lesson.metric,
        )


class _Lesson:
    """What changes while a student trains: its weights, the optimizer, the random numbers."""

    def __init__(
        self,
        teacher: Program,
        student: Program,
        train: Dataset,
        validation: Dataset,
        recipe: DistillRecipe,
        seed: int,
    ) -> None:
        self.student = student
        self.recipe = recipe
        self.penalty: Penalty | None = None
        self.after_step: AfterStep | None = None
        self._teacher = teacher
        self._preprocess = train.preprocess
        self._train = Batches(train)
        self._validation = Batches(validation)
        self._generator = torch.Generator().manual_seed(seed)
        self._check_outputs()
        self.metric: Literal["accuracy", "agreement"] = (
            "accuracy" if validation.labelled else "agreement"
        )
        self._truth = (
            torch.from_numpy(validation.targets)
            if validation.labelled
            else self._outputs(teacher, self._validation).argmax(1)
        )
        self._soft = (
            self._outputs(teacher, self._train) if recipe.augment == "none" else None
        )
        self._optimizer = _optimizer(student.module, recipe)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            recipe.learning_rate,
            total_steps=recipe.epochs * self._train.steps(recipe.batch_size),
            pct_start=WARM_UP,
            cycle_momentum=False,
        )

    def before(self) -> Epoch:
        """The student as it was given, with its loss on some training samples as they are."""
        started = time.perf_counter()
        batch = self._train.take(torch.arange(min(_FIRST_LOOK, len(self._train))))
        set_training(self.student.module, False)
        with torch.no_grad():
            loss = self._loss(batch, batch.inputs).item()
        return self._epoch(0, loss, started)

    def epoch(self, number: int) -> Epoch:
        """One pass over the training samples."""
        started = time.perf_counter()
        set_training(self.student.module, True)
        total, steps = 0.0, 0
        for batch in self._train.shuffled(self.recipe.batch_size, self._generator):
            total += self._step(batch, number)
            steps += 1
        set_training(self.student.module, False)
        return self._epoch(number, total / steps, started)

    def weights(self) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in self.student.module.state_dict().items()}

    def finished(self, weights: dict[str, Tensor]) -> Program:
        """The student with these weights, in evaluation mode, without gradients."""
        self.student.module.load_state_dict(weights)
        set_training(self.student.module, False)
        self._optimizer.zero_grad(set_to_none=True)
        return self.student

    def _step(self, batch: Batch, epoch: int) -> float:
        inputs = augment(
            batch.inputs, self.recipe.augment, self._preprocess, self._generator
        )
        loss = self._loss(batch, inputs)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"Distillation diverged in epoch {epoch}: the loss is {value}. Lower "
                f"[recipe.distill] learning_rate (now {self.recipe.learning_rate:g})."
            )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.student.module.parameters(), CLIP)
        if self.penalty is not None:
            self.penalty(self.student.module).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        if self.after_step is not None:
            self.after_step(self.student.module)
        return value

    def _loss(self, batch: Batch, inputs: Tensor) -> Tensor:
        if self._soft is not None:
            soft = self._soft[batch.numbers]
        else:
            with torch.no_grad():
                soft = self._teacher.module(inputs)
        return losses.combined(
            self.student.module(inputs), soft, batch.targets, self.recipe
        )

    def _epoch(self, number: int, loss: float, started: float) -> Epoch:
        decisions = self._outputs(self.student, self._validation).argmax(1)
        known = self._truth >= 0
        right = (decisions == self._truth)[known]
        return Epoch(
            number=number,
            loss=loss,
            validation=right.double().mean().item(),
            seconds=time.perf_counter() - started,
        )

    @torch.no_grad()
    def _outputs(self, program: Program, samples: Batches) -> Tensor:
        batches = samples.ordered(_EVALUATION_BATCH)
        return torch.cat([program.module(batch.inputs) for batch in batches])

    def _check_outputs(self) -> None:
        """Teacher and student must agree on what they give: logits (batch, classes)."""
        inputs = self._train.take(torch.arange(1)).inputs
        with torch.no_grad():
            taught, given = self._teacher.module(inputs), self.student.module(inputs)
        for who, output in (("teacher", taught), ("student", given)):
            if not isinstance(output, Tensor) or output.ndim != 2:
                what = (
                    f"shape {list(output.shape)}"
                    if isinstance(output, Tensor)
                    else type(output).__name__
                )
                raise ModelError(
                    f"The {who} returns {what}. Classification needs one tensor of logits, "
                    "(batch, classes)."
                )
        if taught.shape != given.shape:
            raise ModelError(
                f"The teacher has {taught.shape[1]} outputs and the student "
                f"{given.shape[1]}. They must have the same classes."
            )


def _optimizer(module: nn.Module, recipe: DistillRecipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; weights decay, biases and normalisation do not."""
    parameters = list(module.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )


def _announce(epoch: Epoch, on_epoch: Callable[[Epoch], None] | None) -> None:
    if on_epoch is not None:
        on_epoch(epoch)
