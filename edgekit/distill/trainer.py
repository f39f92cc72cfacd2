"""One training of a student: what it sees, what it learns from, a step, and where it is."""

from __future__ import annotations

import logging
import math
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from edgekit import store
from edgekit.distill import kept_outputs, losses, optimize, regions
from edgekit.distill.augment import AugmentParams
from edgekit.distill.batches import all_known, on, steps_of
from edgekit.distill.checkpoint import State, TrainingState, on_cpu
from edgekit.distill.features import (
    FeatureExtractor,
    ModelOutputs,
    Projection,
    sync_batch_norm,
    view,
)
from edgekit.distill.objective import Targets, objective, resolved
from edgekit.distill.pairing import pair
from edgekit.distill.processes import Processes, spread_like, whole
from edgekit.distill.sampler import MixupParams, TrainSampler
from edgekit.distill.tasks import DistillationTask
from edgekit.distill.teacher import Teacher, packed
from edgekit.distill.validator import Validator
from edgekit.errors import TrainingError
from edgekit.program.placement import to_device
from edgekit.program.program import Program
from edgekit.program.reference import elements
from edgekit.types import Epoch

_FIRST_LOOK = 1024
"""Training samples that give the loss before training."""
_SELDOM = 32
"""Steps between looks at the loss where a look makes the device wait for its queue."""


class Trainer:
    """State of a training: weights, the optimizer, the random numbers."""

    def __init__(self, task_spec: DistillationTask, processes: Processes) -> None:
        self.given = task_spec
        own = task_spec.task.augment
        self.recipe = resolved(
            task_spec.recipe,
            task_spec.teachers[0],
            task_spec.student,
            task_spec.task.kind,
            own_augment=own is not None,
        )
        self._batch_size = optimize.batch_size(self.recipe, task_spec.task.kind)
        self._on = processes
        dtypes = task_spec.student.dtypes
        self._sampler = TrainSampler(
            task_spec.train, self.recipe, dtypes, task_spec.seed, own
        )
        self._look()
        to_device(self.student_module, processes.device)
        self._wrapped = processes.wrap(self.student_module, shard=self.recipe.shard)
        torch.manual_seed(task_spec.seed + processes.number)  # dropout differs
        self._optimizer = optimize.optimizer(self._wrapped, self.recipe)
        decay = self.recipe.ema
        self._average = (
            None if decay is None else optimize.Average(self.student_module, decay)
        )
        portion = max(1, self._batch_size // processes.count)
        self._parts = optimize.parts(self.recipe, portion, elements(task_spec.student))
        parts = processes.count * self._parts
        self.steps = steps_of(len(self._sampler), self._batch_size, parts)
        self._keeps = self._can_keep()
        self.validator = Validator(
            task_spec.validation, task_spec.task, dtypes, processes
        )
        self.validator.set_teacher(lambda x: self.teacher.compute(x).output)
        self.place = TrainingState()

    def _look(self) -> None:
        """Give teacher and student eyes for the layers that the recipe's losses compare."""
        given, added = self.given, (self.recipe.losses or {}).keys()
        teacher, student = given.teachers[0], given.student
        feeds, _ = given.train.feeds(np.arange(2))
        self._compared = compared = pair(teacher, student, self.recipe, feeds)
        projections: list[nn.Module] = []
        if added & losses.PROJECTED:
            projections = [
                nn.Identity()
                if theirs.width == ours.width
                else Projection(ours.width, theirs.width, ours.rank)
                for theirs, ours in compared.layers
            ]
        self.student_module = FeatureExtractor(
            self._rounding(student.module) if given.qat else student.module,
            [o.name for _, o in compared.layers],
            [o for _, o in compared.attentions],
            projections,
            reads=student.reads,
            others=[o for _, o in compared.outputs],
        )
        if self._on.count > 1:
            sync_batch_norm(self.student_module.network)
        first = FeatureExtractor(
            teacher.module,
            [t.name for t, _ in compared.layers],
            [t for t, _ in compared.attentions],
            reads=teacher.reads,
            others=[t for t, _ in compared.outputs],
        )
        others = [FeatureExtractor(p.module, reads=p.reads) for p in given.teachers[1:]]
        self.teacher = Teacher([first, *others], self._on, given.weights)
        self._labeled = given.train.labeled
        self._regions = (
            regions.of_task(given.task, teacher) if added & losses.AT_REGIONS else None
        )
        self._uses_teacher = bool(
            self.recipe.soft_weight
            or added
            or compared.outputs
            or not all_known(given.train, given.task.task_losses.known)
        )

    def _rounding(self, module: fx.GraphModule) -> fx.GraphModule:
        """The student with fake quantization, every range seen once."""
        qat = _fake_quantization()
        rounding: fx.GraphModule = qat.fake_quantized(module)
        indices = torch.arange(min(_FIRST_LOOK, len(self._sampler)))
        parts = torch.split(indices, self._batch_size)
        qat.show(rounding, (self._sampler.plain(part).inputs for part in parts))
        return rounding

    def _mode(self, training: bool) -> None:
        """Switch what differs in training: in the graph, and whether ranges follow."""
        self.student_module.training_mode(training)
        if self.given.qat:
            _fake_quantization().watch(self.student_module, training)

    def _can_keep(self) -> bool:
        """Return whether the teacher's answers come again, and there is room for them."""
        versions = self._sampler.versions
        if versions is None or self._compared.inside or not self._uses_teacher:
            return False
        [first] = self._sampler.still([torch.arange(1)])
        example = packed(self.teacher.compute(on(self._on.device, first)))
        folder, size = self.given.outputs_folder, len(self._sampler) * versions
        return self._on.agreed(kept_outputs.fits(folder, size, example))

    def _outputs_folder(self, version: int) -> Path | None:
        given = self.given
        if given.outputs_folder is None:
            return None
        name = store.key(
            [teacher.fingerprint() for teacher in given.teachers],
            *(given.weights, given.teachers[0].reads, self._compared.outputs),
            *(given.train.fingerprint(), self.recipe.augment, version),
        )
        return given.outputs_folder / name

    # --- training -----------------------------------------------------------------------------

    def before(self) -> Epoch:
        """The student as it was given, with its loss on some training samples as they are."""
        started = time.perf_counter()
        return self._judged(0, self.loss_on(self._sampler, _FIRST_LOOK), started)

    def loss_on(self, samples: TrainSampler, most: int) -> float:
        """The mean loss of the student, not training, on the first samples as they are."""
        self._mode(False)
        indices = torch.arange(min(most, len(samples)))
        # About as large as in training, and some for each process.
        least = max(2 * self._on.count, self._batch_size // self._parts)
        parts = torch.tensor_split(indices, max(1, len(indices) // least))
        total = 0.0
        with torch.no_grad(), self._precision():
            for part in parts:
                batch = samples.plain(self._on.portion(part))
                inputs = on(self._on.device, batch.inputs)
                known_targets = Targets(targets=self._known(batch.targets))
                theirs = self.teacher.compute(inputs) if self._uses_teacher else None
                loss = self._loss(view(self._wrapped(*inputs)), theirs, known_targets)
                total += loss.item() * len(batch)
        return self._on.total(total / sum(map(len, parts)))

    def begin(self) -> None:
        """Start the epoch of `place`, or go on where it was left."""
        place = self.place
        place.started = time.perf_counter() - place.seconds
        if self._keeps:
            version = self._sampler.version(place.epoch)
            self.teacher.keep(
                self._outputs_folder(version),
                len(self._sampler),
                lambda parts: self._sampler.still(parts, version),
                version,
            )
        if place.order is None:
            place.order = self._sampler.order()
        left = place.batches(self._batch_size, self.steps)
        mine = [torch.cat(self._portions(len(batch))) for batch in left]
        self._sampler.read_ahead(left, mine)
        self._mode(True)

    def step(self) -> None:
        """The gradients of one step of the epoch under way, clipped."""
        place = self.place
        [indices, *_] = place.batches(self._batch_size, place.step + 1)
        self._sampler.advance()
        done = (place.epoch - 1) * self.steps + place.step
        rate = optimize.learning_rate(self.recipe) * optimize.rate_at(
            done, self.recipe.epochs * self.steps, self.recipe.schedule
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        place.total += self._learn(indices)
        place.step += 1

    def add_penalty_grad(self, penalty: Any) -> None:
        """Add the gradient of a penalty on the weights: unclipped, equal in every process."""
        with self._on.apart(self._wrapped):
            penalty(self.student_module.network).backward()

    def optimizer_step(self) -> None:
        """Let the weights follow the gradients."""
        self._optimizer.step()

    def ema_update(self) -> None:
        """Let the moving average follow the weights."""
        if self._average is not None:
            self._average.update(self.student_module)

    def stop_reading(self) -> None:
        """Give up samples that were read ahead, and end the processes that read them."""
        self._sampler.read_ahead((), ())

    def end(self) -> Epoch:
        """Judge the epoch under way, and stand before the next."""
        place = self.place
        loss = self._on.total(float(place.total)) / self.steps
        if not math.isfinite(loss):
            raise self._diverged(loss)
        epoch = self._judged(place.epoch, loss, place.started)
        self.place = TrainingState(epoch=place.epoch + 1)
        return epoch

    def _learn(self, indices: Tensor) -> Any:
        """This process's part of the batch's mean loss, after its gradients."""
        augmentation = self._sampler.augmentation(indices, self.place.epoch)
        mixup = self._sampler.mixup(len(indices))
        self._optimizer.zero_grad(set_to_none=True)
        parts = self._portions(len(indices))
        total: Any = 0.0
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with nullcontext() if last else self._on.apart(self._wrapped):
                loss = self._part(indices, part, augmentation, mixup)
                # Gradients are averaged over the processes, whatever their parts.
                self._on.backward(loss * self._on.count)
            total = total + self._value(loss.detach())
        nn.utils.clip_grad_norm_(self._wrapped.parameters(), self.recipe.clip_norm)
        return total

    def _portions(self, count: int) -> list[Tensor]:
        """This process's positions in each accumulated part of a batch of `count`."""
        parts = torch.tensor_split(torch.arange(count), self._parts)
        return [self._on.portion(part) for part in parts]

    def _part(
        self,
        indices: Tensor,
        mine: Tensor,
        augmentation: AugmentParams | None,
        mixup: MixupParams | None,
    ) -> Tensor:
        """Contribution of this process's samples of a part to the mean loss of the
        batch."""
        taken = self._sampler.take(indices, mine, augmentation, mixup)
        inputs = on(self._on.device, taken.inputs)
        known_targets = Targets(
            targets=self._known(taken.targets),
            other=self._known(taken.other),
            fraction=taken.fraction,
        )
        version = self._sampler.version(self.place.epoch)
        with self._precision():
            theirs = (
                self.teacher.answer(taken.indices, inputs, version)
                if self._uses_teacher
                else None
            )
            ours = view(self._wrapped(*inputs))
            loss = self._loss(ours, theirs, known_targets)
        return loss * (len(mine) / len(indices))

    def _loss(
        self,
        student: ModelOutputs,
        teacher: ModelOutputs | None,
        known_targets: Targets,
    ) -> Tensor:
        task_losses = self.given.task.task_losses
        if teacher is not None and self._regions is not None:
            teacher = replace(teacher, regions=self._regions(teacher.output))
        return objective(
            student, teacher, known_targets, recipe=self.recipe, task_losses=task_losses
        )

    def _known(self, targets: Tensor | None) -> Tensor | None:
        """Targets where they are wanted; `None` where nothing is known of any sample."""
        if targets is None or not self._labeled:
            return None
        return targets.to(self._on.device)

    def _precision(self) -> Any:
        if self.recipe.precision == "fp32":
            return nullcontext()
        return torch.autocast(self._on.device.type, dtype=torch.bfloat16)

    def _value(self, loss: Tensor) -> Any:
        """The loss as a number, looked at here where that costs nothing."""
        if self._on.device.type != "cpu" and self.place.step % _SELDOM:
            return loss
        value = loss.item()
        if not math.isfinite(value):
            raise self._diverged(value)
        return value

    def _diverged(self, loss: float) -> TrainingError:
        rate = optimize.learning_rate(self.recipe)
        return TrainingError(
            f"Distillation diverged in epoch {self.place.epoch}: the loss is {loss}. Lower "
            f"[recipe.distill] learning_rate (now {rate:g})."
        )

    def _judged(self, number: int, loss: float, started: float) -> Epoch:
        """An epoch with what the student, or its moving average, now gets right."""
        self._mode(False)
        own = None
        if self._average is not None:
            own = optimize.snapshot(self.student_module)
            self.student_module.load_state_dict(self._average.values)
        with self._precision():
            value = self.validator.validate(lambda x: self._wrapped(*x)[0])
        if own is not None:
            self.student_module.load_state_dict(own)
        return Epoch(
            number=number,
            loss=loss,
            validation=value,
            seconds=time.perf_counter() - started,
            is_fraction=self.validator.is_fraction,
        )

    # --- weights, and where the training is ---------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """Weights of this epoch: a copy, each process's own part where they are sharded."""
        if self._average is not None:
            return {k: v.clone() for k, v in self._average.values.items()}
        return optimize.snapshot(self.student_module)

    def finished(self, weights: dict[str, Tensor]) -> Program:
        """The student with these weights, in evaluation mode, without gradients."""
        student, prefix = self.given.student, "network."
        own = {
            name.removeprefix(prefix): whole(value)
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        self._optimizer.zero_grad(set_to_none=True)
        student.module.load_state_dict(own, strict=False)
        self._on.forget()
        return student

    def state(self, best: dict[str, Tensor]) -> State:
        """Everything that the rest of the training depends on, whole in every process."""
        seconds = time.perf_counter() - self.place.started
        average = self._average
        return {
            "place": asdict(replace(self.place, seconds=seconds)),
            "weights": on_cpu(self.student_module.state_dict()),
            "best": on_cpu(best),
            "optimizer": on_cpu(self._optimizer.state_dict()),
            "average": None if average is None else on_cpu(average.values),
            "averaged": 0 if average is None else average.steps,
            "generator": self._sampler.generator.get_state(),
            "random": self._on.everyone(torch.get_rng_state()),
            "teacher": [self.teacher.requested, self.teacher.computed],
        }

    def restore(self, state: State) -> dict[str, Tensor]:
        """Stand where `state` was taken; the best weights until then."""
        own = self.student_module.state_dict()

        def spread(values: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: spread_like(v, own[name]) for name, v in values.items()}

        self.student_module.load_state_dict(spread(state["weights"]))
        parameters = list(self._wrapped.parameters())
        for number, slots in state["optimizer"]["state"].items():
            for name, value in slots.items():
                if value is not None and value.shape == parameters[number].shape:
                    slots[name] = spread_like(value, parameters[number])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            self._average.values = spread(state["average"])
            self._average.steps = state["averaged"]
        self._sampler.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"][self._on.number % len(state["random"])])
        self.teacher.requested, self.teacher.computed = state["teacher"]
        self.place = TrainingState(**state["place"])
        return spread(state["best"])


def _fake_quantization() -> ModuleType:
    """Imported where it is used: torchao takes seconds, and reports every extension it lacks."""
    logging.disable(logging.WARNING)
    try:
        from edgekit.distill import fake_quantize
    finally:
        logging.disable(logging.NOTSET)
    return fake_quantize
