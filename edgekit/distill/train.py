"""The training loop: a student follows its teachers, and its last or its best epoch is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, fx

from edgekit import tasks
from edgekit.data import Dataset
from edgekit.distill.checkpoint import Checkpoints, State
from edgekit.distill.learning_rate import tested
from edgekit.distill.processes import Processes
from edgekit.distill.tasks import DistillationTask, Task, of_kind
from edgekit.distill.trainer import Trainer
from edgekit.errors import DataError, ModelError
from edgekit.program.batch_norm_folding import fold
from edgekit.program.ends import in_logarithms
from edgekit.program.program import Program
from edgekit.tasks.losses import BOX
from edgekit.types import (
    DEFAULT_TASK,
    DistillRecipe,
    Epoch,
    LossName,
    RateTest,
    TaskKind,
)

_FEW = 16
"""Samples that show the sort of a detector's scores."""
Penalty = Callable[[fx.GraphModule], Tensor]
AfterStep = Callable[[fx.GraphModule], None]


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """The student after the epoch that was kept; epoch 0 is the student as it was given."""

    program: Program
    epochs: tuple[Epoch, ...]
    kept_epoch: int
    metric: str
    """The metric of `Epoch.validation`: the task's, or, without labels, the agreement of
    student and teacher."""
    higher_is_better: bool = True
    teacher_hit_rate: float | None = None
    """Fraction of the teacher's outputs that were read from the store; `None` where none
    was requested."""
    losses: Mapping[LossName, float] = field(default_factory=dict)
    """Losses that were added to soft targets and labels, by weight."""
    rate_test: RateTest | None = None
    """Trials of learning rates, where the recipe asks for them."""

    @property
    def best_epoch(self) -> int:
        """Number of the first epoch with the best validation metric; 0 without a training."""
        sign = 1 if self.higher_is_better else -1
        ranked = ((sign * epoch.validation, -epoch.number) for epoch in self.epochs)
        return -max(ranked, default=(0.0, 0))[1]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Hooks into a training: penalty, step, epoch.

    `penalty(module)` is added to the loss that is descended (not to the one reported), its
    gradient unclipped; the last epoch is then kept, for what the penalty has done by then is the
    point. `after_step(module)` may change weights after each step, as masks do.
    """

    on_epoch: Callable[[Epoch], None] | None = None
    on_trial: Callable[[float], None] | None = None
    on_rate: Callable[[RateTest], None] | None = None
    penalty: Penalty | None = None
    after_step: AfterStep | None = None


def distill(  # noqa: PLR0913 (a pair, two data sets, and how)
    teacher: Program | Sequence[Program],
    student: Program,
    *,
    train: Dataset,
    validation: Dataset,
    recipe: DistillRecipe,
    seed: int,
    kind: TaskKind = DEFAULT_TASK,
    task: Task | None = None,
    hooks: Hooks | None = None,
    folder: Path | None = None,
    outputs_folder: Path | None = None,
    qat: bool = False,
    weights: Sequence[float] | None = None,
) -> Distilled:
    """Teach a copy of `student` the outputs of `teacher` and the labels, where there are any.

    `task` takes the place of `kind` where losses or metric are the user's. Several teachers
    are averaged, by `weights` where there are any. The last epoch is kept where its `validation`
    metric is within a standard error of the best one's, of metrics that count samples: it was
    trained for longer, at a lower rate, and samples do not show that it is worse (after the rule
    of Breiman et al., "Classification and Regression Trees", 1984). The best one is kept else,
    and where `patience` ended the training. The same seed gives the same result, on one process
    or many, but for rounding.
    `folder` gets a checkpoint every `recipe.checkpoint_minutes`, and training resumes from
    it; `outputs_folder` gets the teacher's outputs, where a sample never changes. An
    `aware` student rounds as its int8 file will, and comes back in float, its batch norms
    folded. Raises `TrainingError` where the loss is no longer finite.
    """
    teachers = (teacher,) if isinstance(teacher, Program) else tuple(teacher)
    hooks, task = hooks or Hooks(), task or of_kind(kind)
    processes = Processes()
    if len(train) < 2 * processes.count:
        raise DataError(
            f"Distillation needs at least 2 training samples a process, not {len(train)} for "
            f"{processes.count}. Check [data] train."
        )
    own = fold(student) if qat else student.copy()
    learning, teachers, task = _on_logits(own, teachers, task)
    task = _on_probabilities((learning, *teachers), task, train)
    task = task.smoothed(recipe.label_smoothing)
    task_spec = DistillationTask(
        teachers=teachers,
        student=learning,
        train=train,
        validation=validation,
        recipe=recipe,
        task=task,
        seed=seed,
        outputs_folder=outputs_folder,
        qat=qat,
        weights=None if weights is None else tuple(weights),
    )
    for each in teachers:
        check_outputs(each, learning, train, task.kind)
    with torch.random.fork_rng():
        checkpoints = Checkpoints(folder, recipe.checkpoint_minutes)
        state, rates = checkpoints.read(), None
        # A penalty has a strength that goes with one rate.
        if recipe.learning_rate == "auto" and hooks.penalty is None:
            rates = _rates(state, task_spec, processes, hooks)
            task_spec = replace(
                task_spec, recipe=replace(recipe, learning_rate=rates.rate)
            )
        torch.manual_seed(seed)
        run = _Run(Trainer(task_spec, processes), processes, checkpoints, hooks, rates)
        found = run.run_epochs(state)
    if learning is not own:
        own.module.load_state_dict(found.program.module.state_dict())
    return replace(found, program=own)


def _rates(
    state: State | None, given: DistillationTask, processes: Processes, hooks: Hooks
) -> RateTest:
    """The rates that were tried before the checkpoint, or are now."""
    kept = state and state.get("rates")  # not in checkpoints of earlier versions
    if kept:
        return RateTest(**kept)
    rates = tested(given, processes, hooks.on_trial)
    if hooks.on_rate is not None:
        hooks.on_rate(rates)
    return rates


def _on_logits(
    student: Program, teachers: tuple[Program, ...], task: Task
) -> tuple[Program, tuple[Program, ...], Task]:
    """Networks that end in probabilities by their logits, over the same parameters, where the
    task's losses take logits; and the task of such a student.

    A loss of the user's that compares different sorts of outputs gets them as they are.
    """
    if not task.takes_logits:
        return student, teachers, task
    given = (student, *teachers)
    independent = tasks.of(task.kind).link == "sigmoid"
    learning = tuple(in_logarithms(one, independent=independent) for one in given)
    unchanged = {one is other for one, other in zip(given, learning, strict=True)}
    if len(unchanged) > 1 and task.compares_outputs:
        return student, teachers, task
    if learning[0] is not student:
        task = task.of_logits()
    return learning[0], learning[1:], task


def _on_probabilities(networks: Sequence[Program], task: Task, train: Dataset) -> Task:
    """The task of detectors whose scores are probabilities, as all numbers from 0 to 1 are.

    Raises `ModelError` where some give logits: nothing can be learned from the others then.
    """
    if tasks.of(task.spec).box_losses is None or task.compares_outputs:
        return task
    feeds, _ = train.feeds(np.arange(min(_FEW, len(train))))
    sorts = set()
    for network in networks:
        with torch.no_grad():
            scores = network.answer(*network.tensors(feeds))[..., BOX:]
        sorts.add(bool(((scores >= 0) & (scores <= 1)).all()))
    if len(sorts) > 1:
        raise ModelError(
            "Some of teacher and student give scores from 0 to 1 and some logits. End both "
            "before the sigmoid or softmax, or both behind it."
        )
    return task.of_probabilities() if sorts == {True} else task


class _Run:
    """The epochs of a training, one after another, from the first or from a checkpoint."""

    def __init__(
        self,
        trainer: Trainer,
        on: Processes,
        checkpoints: Checkpoints,
        hooks: Hooks,
        rates: RateTest | None,
    ) -> None:
        self.trainer, self.on, self.checkpoints = trainer, on, checkpoints
        self.hooks, self.rates = hooks, rates
        self.epochs: list[Epoch] = []
        self.best = 0
        self.weights: dict[str, Tensor] = {}

    def run_epochs(self, state: State | None) -> Distilled:
        if state is None:
            self._keep(self.trainer.before())
        else:
            for epoch in state["epochs"]:
                self._announce(Epoch(**epoch))
            self.best = state["best_epoch"]
            self.weights = self.trainer.restore(state["trainer"])
        while not self._over():
            self._epoch()
        kept = self._chosen()
        trainer = self.trainer
        result = Distilled(
            program=trainer.finished(self.weights),
            epochs=tuple(self.epochs),
            kept_epoch=kept,
            metric=trainer.validator.metric,
            higher_is_better=trainer.validator.higher_is_better,
            teacher_hit_rate=trainer.teacher.hit_rate,
            losses=trainer.recipe.losses or {},
            rate_test=self.rates,
        )
        if self.on.first:
            self.checkpoints.remove()
        return result

    def _over(self) -> bool:
        recipe = self.trainer.recipe
        done = len(self.epochs) - 1
        tired = recipe.patience is not None and done - self.best >= recipe.patience
        return done >= recipe.epochs or tired

    def _epoch(self) -> None:
        trainer = self.trainer
        trainer.begin()
        try:
            while trainer.place.step < trainer.steps:
                self._step()
        finally:
            trainer.stop_reading()
        self._keep(trainer.end())

    def _step(self) -> None:
        trainer, hooks = self.trainer, self.hooks
        trainer.step()
        if hooks.penalty is not None:
            trainer.add_penalty_grad(hooks.penalty)
        trainer.optimizer_step()
        if hooks.after_step is not None:
            hooks.after_step(trainer.student_module.network)
        trainer.ema_update()
        if self.checkpoints.kept and self.on.agreed(self.checkpoints.due()):
            self._write()

    def _keep(self, epoch: Epoch) -> None:
        best = self.epochs[self.best].validation if self.epochs else epoch.validation
        if (
            self.trainer.validator.better(epoch.validation, best)
            or self.hooks.penalty is not None
        ):
            self.best, self.weights = epoch.number, self.trainer.weights()
        self._announce(epoch)

    def _chosen(self) -> int:
        """The epoch to keep: the last where the training came to its end and it is about as good
        as the best, whose weights it takes the place of."""
        last, best = self.epochs[-1], self.epochs[self.best]
        if last is best or last.number < self.trainer.recipe.epochs:
            return best.number
        if not self.trainer.validator.about_as_good(last.validation, best.validation):
            return best.number
        self.weights = self.trainer.weights()
        return last.number

    def _announce(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        if self.hooks.on_epoch is not None:
            self.hooks.on_epoch(epoch)

    def _write(self) -> None:
        state = {
            "trainer": self.trainer.state(self.weights),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best,
            "rates": self.rates and asdict(self.rates),
        }
        if self.on.first:
            self.checkpoints.write(state)
        self.on.wait()


def check_outputs(
    teacher: Program, student: Program, train: Dataset, kind: TaskKind
) -> None:
    """Teacher and student must agree on what they give; raises `ModelError`."""
    feeds, _ = train.feeds(torch.arange(1).numpy())
    task = tasks.of(kind)
    outputs = []
    for who, program in (("teacher", teacher), ("student", student)):
        with torch.no_grad():
            output = program.answer(*program.tensors(feeds))
        if task.labels_samples and output.ndim != task.dimensions:
            raise ModelError(
                f"The {who} returns shape {list(output.shape)}. {kind.capitalize()} needs one "
                f"tensor of {task.output}."
            )
        outputs.append(output)
    theirs, ours = outputs
    if theirs.shape != ours.shape:
        if task.labels_samples:
            raise ModelError(
                f"The teacher has {theirs.shape[1]} outputs and the student "
                f"{ours.shape[1]}. They must have the same classes."
            )
        raise ModelError(
            f"The teacher returns {list(theirs.shape[1:])} and the student "
            f"{list(ours.shape[1:])} a sample. They must agree on the task's outputs."
        )
