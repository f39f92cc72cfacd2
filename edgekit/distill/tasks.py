"""Losses of each kind of task: against the teacher, and against labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit import tasks
from edgekit.config.user_code import locate
from edgekit.data import Dataset
from edgekit.data.metrics import decoder_of, named
from edgekit.distill.augment import NO_PLACES
from edgekit.distill.batches import Inputs
from edgekit.distill.sample_transform import SampleTransform, of_user
from edgekit.errors import TrainingError, UsageError
from edgekit.program.program import Program
from edgekit.tasks.decoding import Decode
from edgekit.tasks.losses import BoxForm, Hard, Scores, TaskLosses, known, labels
from edgekit.tasks.scores import Metric
from edgekit.types import DistillRecipe, TaskKind, TaskSpec

Augment = Callable[[Inputs, Tensor, torch.Generator], tuple[Inputs, Tensor]]
"""From inputs (batch, ...) and targets (batch, ...) to others of the same shapes."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as a student learns it and is judged by; without a metric by its teacher alone."""

    spec: TaskSpec
    task_losses: TaskLosses
    metric: Metric | None
    user_losses: tuple[Hard | None, Hard | None] = (None, None)
    """The user's functions for labels and for the teacher's outputs, within `task_losses`."""
    augment: Augment | SampleTransform | None = None
    """The user's own change of training batches, or of one sample at a time."""
    decode: Decode | None = None
    """Reading of boxes from outputs, of detectors with a decoder."""

    @property
    def kind(self) -> TaskKind:
        """The kind of task."""
        return self.spec.kind

    @property
    def takes_logits(self) -> bool:
        """Return whether its own losses are of class scores."""
        return tasks.of(self.kind).takes_logits

    @property
    def compares_outputs(self) -> bool:
        """Return whether a function of the user's takes the teacher's outputs."""
        return self.user_losses[1] is not None

    def of_probabilities(self) -> Task:
        """The same of a detector whose scores are probabilities and no logits."""
        own = _own_losses(self.spec, probabilities=True)
        return replace(self, task_losses=_with_users(own, *self.user_losses))

    def smoothed(self, fraction: float) -> Task:
        """The same with this fraction of each label spread over all classes.

        Raises `UsageError` where the loss of labels is not the cross-entropy of classes.
        """
        if not fraction:
            return self
        if self.task_losses.hard is not labels:
            whose = f"[task] kind {self.kind}"
            if self.user_losses[0] is not None:
                whose = "a loss of your own"
            raise UsageError(
                "[recipe.distill] label_smoothing is of labels that are one of several classes, "
                f"which {whose} does not take. Leave it out."
            )
        smooth = partial(labels, smoothing=fraction)
        return replace(self, task_losses=replace(self.task_losses, hard=smooth))

    def check(self, recipe: DistillRecipe) -> None:
        """Raise `UsageError` where the recipe has options that are not for this task."""
        self.smoothed(recipe.label_smoothing)
        own = tasks.of(self.spec)
        placed = own.maps is not None or not own.shifts
        if placed and (recipe.augment or "").startswith("rand"):
            raise UsageError(NO_PLACES)

    def of_logits(self) -> Task:
        """The same where outputs are logits of the probabilities that the network gives: the
        user's functions and the metric take the probabilities."""
        own, metric = tasks.of(self.kind), self.metric
        squash = torch.sigmoid if own.link == "sigmoid" else torch.exp
        return replace(
            self,
            task_losses=_with_users(own.losses, *self.user_losses, squash=squash),
            metric=None
            if metric is None
            else lambda outputs, targets: metric(
                squash(torch.from_numpy(outputs)).numpy(), targets
            ),
        )


@dataclass(frozen=True, kw_only=True)
class DistillationTask:
    """The task of a training: `teachers` are averaged, features come from the first."""

    teachers: tuple[Program, ...]
    student: Program
    train: Dataset
    validation: Dataset
    recipe: DistillRecipe
    task: Task
    seed: int
    outputs_folder: Path | None = None
    """Where the teacher's outputs are kept from build to build."""
    weights: tuple[float, ...] | None = None
    """Weights of the teachers; `None` is the same for all."""
    qat: bool = False
    """True where the student rounds as its int8 file will."""


def of_kind(kind: TaskKind) -> Task:
    """A kind of task with its own losses and its own metric, where labels contribute to it."""
    own = tasks.of(kind)
    metric = named(TaskSpec(kind=kind), Path()) if own.losses.from_labels else None
    return Task(spec=TaskSpec(kind=kind), task_losses=own.losses, metric=metric)


def of_spec(spec: TaskSpec, root: Path) -> Task:
    """The task that a project describes, with the user's functions where it names some.

    A loss takes outputs as the network gives them and targets, or the teacher's outputs, and
    returns one number a sample, (batch,), or one for all. Raises `UsageError` where a function
    or a metric is not there.
    """
    found = of_functions(
        spec,
        named(spec, root),
        loss=None if spec.loss is None else user_loss(spec.loss, root),
        teacher_loss=None
        if spec.teacher_loss is None
        else user_loss(spec.teacher_loss, root),
    )
    return with_functions(found, root)


def with_functions(task: Task, root: Path) -> Task:
    """The task with its decoder and the user's augmentation, relative to `root`."""
    spec = task.spec
    own = None if spec.augment is None else locate(spec.augment, root, UsageError)
    augment: Augment | SampleTransform | None = None
    if own is not None:
        points = tasks.of(spec.kind).points is not None
        augment = of_user(own, points=points) or checked_augment(own.load(), own.name)
    return replace(task, decode=decoder_of(spec, root), augment=augment)


def of_functions(
    spec: TaskSpec,
    metric: Metric | None,
    *,
    loss: Hard | None = None,
    teacher_loss: Hard | None = None,
) -> Task:
    """A task with losses of the user's in place of the kind's own, where they are given.

    Each takes outputs (batch, ...) as the network gives them, and targets or the teacher's
    outputs; it returns losses (batch,).
    """
    return Task(
        spec=spec,
        task_losses=_with_users(_own_losses(spec), loss, teacher_loss),
        metric=metric,
        user_losses=(loss, teacher_loss),
    )


def _own_losses(spec: TaskSpec, *, probabilities: bool = False) -> TaskLosses:
    task = tasks.of(spec)
    if task.box_losses is None:
        return task.losses
    scores: Scores = "probabilities" if probabilities else "logits"
    return task.box_losses(BoxForm(scores=scores, background=spec.background))


def _with_users(
    task_losses: TaskLosses,
    loss: Hard | None,
    teacher_loss: Hard | None,
    *,
    squash: Callable[[Tensor], Tensor] = lambda output: output,
) -> TaskLosses:
    restore = task_losses.restore

    def as_given(output: Tensor) -> Tensor:
        return squash(restore(output))

    if teacher_loss is not None:
        task_losses = replace(
            task_losses, soft=lambda s, t, _: teacher_loss(as_given(s), as_given(t))
        )
    if loss is not None:
        task_losses = replace(
            task_losses,
            hard=lambda student, targets: loss(as_given(student), targets),
            known=known,
        )
    return task_losses


def user_loss(reference: str, root: Path) -> Hard:
    """The loss that `loss.py:function` names, relative to `root`; raises `UsageError`."""
    function = locate(reference, root, UsageError)
    return checked_loss(function.load(), function.name)


def checked_loss(run: Callable[..., Any], name: str) -> Hard:
    """A loss that raises `TrainingError` where `run` gives no (batch,) or single loss."""

    def loss(ours: Tensor, others: Tensor) -> Tensor:
        return _by_sample(run(ours, others), len(ours), name)

    return loss


def checked_augment(run: Callable[..., Any], name: str) -> Augment:
    """A change of batches that raises `TrainingError` where `run` does not return tensors of the
    shapes that it was given."""

    def change(
        inputs: Inputs, targets: Tensor, generator: torch.Generator
    ) -> tuple[Inputs, Tensor]:
        given = inputs[0] if len(inputs) == 1 else inputs
        found = run(given, targets, generator)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TrainingError(
                f"{name} returned {type(found).__name__}. Return (inputs, targets)."
            )
        changed = found[0] if isinstance(found[0], tuple) else (found[0],)
        parts = zip((*changed, found[1]), (*inputs, targets), strict=False)
        alike = [isinstance(x, Tensor) and x.shape == y.shape for x, y in parts]
        if len(alike) != len(inputs) + 1 or not all(alike):
            shapes = [list(x.shape) for x in (*inputs, targets)]
            raise TrainingError(
                f"{name} returned no tensors of the shapes of inputs and targets, which are "
                f"{', '.join(map(str, shapes))}. Keep shapes."
            )
        kinds = (x.to(y.dtype) for x, y in zip(changed, inputs, strict=True))
        return tuple(kinds), found[1].to(targets.dtype)

    return change


def _by_sample(value: Any, count: int, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.shape not in ((), (count,)):
        what = (
            f"shape {list(value.shape)}"
            if isinstance(value, Tensor)
            else type(value).__name__
        )
        raise TrainingError(
            f"{name} returned {what}. Return a tensor of one loss a sample, "
            f"[{count}], or of one for all, []."
        )
    return value.expand(count)
