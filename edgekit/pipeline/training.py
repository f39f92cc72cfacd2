"""A student's training as a stage: kept in the store, so that a build resumes after it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, fx

from edgekit import scratch
from edgekit.data import Dataset
from edgekit.distill import Distilled, Hooks, distill
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.distributed import (
    TrainingRequest,
    is_distributed,
    trained_together,
)
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.memory_layout import channels_last
from edgekit.program.program import Program
from edgekit.program.program import load as load_program
from edgekit.report.note_words import sentence
from edgekit.store import Stage, kept
from edgekit.types import DistillRecipe, Epoch, RateTest
from edgekit.types.notes import LearningRateTested

_TIMED, _PASSES = 64, 4
_RATES: TypeAdapter[RateTest | None] = TypeAdapter(RateTest | None)


@dataclass(frozen=True, kw_only=True)
class TeacherEnsemble:
    """Teacher ensemble. Features come from the first teacher; outputs are averaged by
    weight."""

    first: Program
    others: tuple[Program, ...] = ()
    weights: tuple[float, ...] | None = None
    """The first's and the others'; `None` is the same for all."""
    enlarging: Program | None = None
    """The first with images enlarged to its own size, where plans are at a smaller one."""

    @property
    def programs(self) -> tuple[Program, ...]:
        """The programs of all teachers, the first first."""
        return (self.enlarging or self.first, *self.others)

    def led_by(self, student: Program) -> TeacherEnsemble:
        """The same with a student in the place of the first."""
        return replace(self, first=student, enlarging=None)

    def fractions(self) -> tuple[float, ...]:
        """Fractions of the teachers' weights, 1 in all."""
        weights = self.weights or (1.0,) * len(self.programs)
        return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """Specification of a training; `marks` name the penalty for the store."""

    recipe: DistillRecipe
    title: str = "Distill"
    penalty: Callable[[fx.GraphModule], Tensor] | None = None
    marks: tuple[object, ...] = ()
    pruned: bool = True
    """True where the student has the remaining weights of its teacher."""
    qat: bool = False
    """True where the student rounds as its int8 file will."""


def train_student(
    inputs: TrainingInputs,
    teachers: TeacherEnsemble,
    student: Program,
    training_spec: TrainingSpec,
) -> Distilled:
    """Distill, or take from the store what an earlier run with the same inputs made.

    Several teachers are averaged; the first is also looked into.
    """
    if training_spec.recipe.losses is None and training_spec.pruned:
        # A pruned network comes with its teacher's weights; the losses that help a network
        # without any held the digits example, cut to a sixth of its width, at 22 % instead
        # of 76 %.
        training_spec = replace(
            training_spec, recipe=replace(training_spec.recipe, losses={})
        )
    recipe, samples = training_spec.recipe, inputs.samples
    stage = Stage(
        kind="distilled",
        title=training_spec.title,
        inputs={
            "student": stage_inputs.of_network(student),
            "teachers": [stage_inputs.of_network(one) for one in teachers.programs],
            "weights": teachers.weights,
            "train": samples.train.fingerprint(),
            "validation": samples.validation.fingerprint(),
            "recipe": recipe,
            "task": stage_inputs.of_task(inputs.spec, inputs.root, inputs.mark),
            "seed": inputs.seed,
            "marks": training_spec.marks,
            "qat": training_spec.qat,
            "versions": stage_inputs.training_versions(),
        },
        record=_Record(),
    )
    make = partial(_made, inputs, teachers, student, training_spec, stage.name)
    return kept(inputs.store, stage, make, inputs.progress)


def _made(
    inputs: TrainingInputs,
    teachers: TeacherEnsemble,
    student: Program,
    training_spec: TrainingSpec,
    name: str,
) -> Distilled:
    with inputs.progress.step(training_spec.title) as step:

        def show(epoch: Epoch) -> None:
            note = f"loss {epoch.loss:.4f}, validation {epoch.shown}"
            step.update(epoch.number, training_spec.recipe.epochs, note)

        def tried(rate: float) -> None:
            step.update(0, training_spec.recipe.epochs, f"learning rate {rate:g} tried")

        def tell(test: RateTest) -> None:
            words = sentence(LearningRateTested(test=test))
            inputs.progress.say(words[:1].upper() + words[1:])

        hooks = Hooks(on_epoch=show, on_trial=tried, on_rate=tell)
        distilled = _distilled(inputs, (teachers, student), training_spec, name, hooks)
    if distilled.teacher_hit_rate:
        inputs.progress.say(
            f"{distilled.teacher_hit_rate:.0%} of the teacher's answers were kept from before"
        )
    return distilled


def estimated_epoch_s(network: Program, train: Dataset) -> float:
    """About how many seconds an epoch takes, from one batch of the network as it is.

    A step is taken to be its forward pass four times: the teacher's, the student's, and the
    student's backward pass, which is two.
    """
    count = min(_TIMED, len(train))
    feeds, _ = train.feeds(np.arange(count))
    given = channels_last(network.module.graph, network.tensors(feeds))
    taken = []
    with torch.inference_mode():
        for _ in range(2):  # the first one warms up
            started = time.perf_counter()
            network.module(*given)
            taken.append(time.perf_counter() - started)
    return _PASSES * min(taken) * len(train) / count


class _Record:
    """A trained student, and its epochs."""

    def write(self, value: Distilled, folder: Path) -> None:
        """Write the network and the record of its training."""
        value.program.save(folder / "student.pt2")
        facts = {
            "epochs": [asdict(epoch) for epoch in value.epochs],
            "kept_epoch": value.kept_epoch,
            "metric": value.metric,
            "higher_is_better": value.higher_is_better,
            "teacher_hit_rate": value.teacher_hit_rate,
            "losses": dict(value.losses),
            "rate_test": None if value.rate_test is None else asdict(value.rate_test),
        }
        (folder / "epochs.json").write_text(json.dumps(facts), "utf-8")

    def read(self, folder: Path) -> Distilled:
        """The student as it was written."""
        facts = json.loads((folder / "epochs.json").read_text("utf-8"))
        epochs = tuple(Epoch(**epoch) for epoch in facts.pop("epochs"))
        rates = _RATES.validate_python(facts.pop("rate_test"))
        return Distilled(
            program=load_program(folder / "student.pt2"),
            epochs=epochs,
            rate_test=rates,
            **facts,
        )


def _distilled(
    inputs: TrainingInputs,
    pair: tuple[TeacherEnsemble, Program],
    training_spec: TrainingSpec,
    name: str,
    hooks: Hooks,
) -> Distilled:
    """Distill in this process, or in all that a launcher started."""
    teachers, student = pair
    training, outputs = (
        inputs.store.root / part for part in (f"training/{name}", "teacher-outputs")
    )
    hooks = replace(hooks, penalty=training_spec.penalty)
    if is_distributed():
        calls = inputs.store.root / "calls"
        calls.mkdir(parents=True, exist_ok=True)
        with scratch.folder(calls) as folder:
            call = TrainingRequest(
                folder=folder,
                teachers=len(teachers.programs),
                weights=teachers.weights,
                recipe=training_spec.recipe,
                training_folder=training,
                outputs_folder=outputs,
                qat=training_spec.qat,
            )
            return trained_together(
                teachers.programs, student, call, inputs=inputs, hooks=hooks
            )
    return distill(
        teachers.programs,
        student,
        train=inputs.samples.train,
        validation=inputs.samples.validation,
        recipe=training_spec.recipe,
        seed=inputs.seed,
        task=inputs.task,
        hooks=hooks,
        folder=training,
        outputs_folder=outputs,
        qat=training_spec.qat,
        weights=teachers.weights,
    )
