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
from torch import Tensor, fx

import edgekit
from edgekit import scratch, store
from edgekit.data import Dataset
from edgekit.distill import Distilled, Hooks, distill
from edgekit.pipeline.distributed import (
    TrainingRequest,
    is_distributed,
    trained_together,
)
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.program import Program
from edgekit.program.program import load as load_program
from edgekit.types import DistillRecipe, Epoch

_TIMED, _PASSES = 64, 4


@dataclass(frozen=True, kw_only=True)
class TeacherEnsemble:
    """Teacher ensemble. Features come from the first teacher; outputs are averaged by
    weight."""

    first: Program
    others: tuple[Program, ...] = ()
    weights: tuple[float, ...] | None = None
    """The first's and the others'; `None` is the same for all."""

    @property
    def programs(self) -> tuple[Program, ...]:
        """The programs of all teachers, the first first."""
        return (self.first, *self.others)

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
    name = store.key(
        *(edgekit.__version__, torch.__version__, student.fingerprint()),
        [asdict(spec) for spec in student.inputs],
        *(teacher.fingerprint() for teacher in teachers.programs),
        teachers.weights,
        *(samples.train.fingerprint(), samples.validation.fingerprint()),
        *(asdict(recipe), asdict(inputs.spec), inputs.seed, *training_spec.marks),
        training_spec.qat,
        *((inputs.mark,) if inputs.mark else ()),
    )
    kept = inputs.store.find("distilled", name)
    if kept is not None:
        inputs.progress.say(
            f"{training_spec.title}: taken from the store, where nothing had changed"
        )
        return _read(kept)
    with inputs.progress.step(training_spec.title) as step:

        def show(epoch: Epoch) -> None:
            note = f"loss {epoch.loss:.4f}, validation {epoch.shown}"
            step.update(epoch.number, recipe.epochs, note)

        distilled = _distilled(
            inputs, (teachers, student), training_spec, name, Hooks(on_epoch=show)
        )
    if distilled.teacher_hit_rate:
        inputs.progress.say(
            f"{distilled.teacher_hit_rate:.0%} of the teacher's answers were kept from before"
        )
    # Read again, so that what follows is the same whether the student was trained or kept.
    return _read(inputs.store.keep("distilled", name, partial(_write, distilled)))


def estimated_epoch_s(network: Program, train: Dataset) -> float:
    """About how many seconds an epoch takes, from one batch of the network as it is.

    A step is taken to be its forward pass four times: the teacher's, the student's, and the
    student's backward pass, which is two.
    """
    count = min(_TIMED, len(train))
    feeds, _ = train.feeds(np.arange(count))
    taken = []
    with torch.inference_mode():
        for _ in range(2):  # the first one warms up
            started = time.perf_counter()
            network.module(*network.tensors(feeds))
            taken.append(time.perf_counter() - started)
    return _PASSES * min(taken) * len(train) / count


def _write(distilled: Distilled, folder: Path) -> None:
    distilled.program.save(folder / "student.pt2")
    facts = {
        "epochs": [asdict(epoch) for epoch in distilled.epochs],
        "best_epoch": distilled.best_epoch,
        "metric": distilled.metric,
        "higher_is_better": distilled.higher_is_better,
        "teacher_hit_rate": distilled.teacher_hit_rate,
        "losses": dict(distilled.losses),
    }
    (folder / "epochs.json").write_text(json.dumps(facts), "utf-8")


def _read(folder: Path) -> Distilled:
    facts = json.loads((folder / "epochs.json").read_text("utf-8"))
    epochs = tuple(Epoch(**epoch) for epoch in facts.pop("epochs"))
    return Distilled(
        program=load_program(folder / "student.pt2"), epochs=epochs, **facts
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
