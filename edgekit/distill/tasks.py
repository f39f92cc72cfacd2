"""How networks of each kind of task are compared: with their teacher, and with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit.config.user_code import locate
from edgekit.data.metrics import Metric, named
from edgekit.distill.losses import outputs
from edgekit.errors import TrainingError, UsageError
from edgekit.types import TaskKind, TaskSpec

Soft = Callable[[Tensor, Tensor, float], Tensor]
Hard = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class TaskLosses:
    """`soft(student, teacher, temperature)` and `hard(student, targets)` to losses (batch,);
    `known(targets)` is 1 for a sample with a label and 0 for others, (batch,)."""

    soft: Soft
    hard: Hard
    known: Callable[[Tensor], Tensor]
    arrange: Callable[[Tensor], Tensor] = lambda output: output
    """Outputs with the classes in dimension 1, as losses on outputs take them."""


def _classes_last(output: Tensor) -> Tensor:
    return output.movedim(-1, 1) if output.ndim > 2 else output


def _any_class(targets: Tensor) -> Tensor:
    return (targets >= 0).flatten(1).any(1) if targets.ndim > 1 else targets >= 0


def _given(output: Tensor) -> Tensor:
    """What `_classes_last` did, undone: as the network gives it."""
    return output.movedim(1, -1) if output.ndim > 2 else output


def _value_known(targets: Tensor) -> Tensor:
    return ~targets.isnan().flatten(1).all(1) if targets.ndim > 1 else ~targets.isnan()


def _squared(student: Tensor, targets: Tensor) -> Tensor:
    """The mean squared difference from what is known."""
    values = targets.reshape(student.shape).to(student.dtype)
    known = ~values.isnan()
    apart = (student - torch.nan_to_num(values)).square() * known
    if apart.ndim == 1:
        return apart
    return apart.flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)


def _none(student: Tensor, targets: Tensor) -> Tensor:
    return student.new_zeros(len(student))


def _unknown(targets: Tensor) -> Tensor:
    return torch.zeros(len(targets), dtype=torch.bool, device=targets.device)


_CLASSES = TaskLosses(soft=outputs.soft_targets, hard=outputs.labels, known=_any_class)
_TOKENS = TaskLosses(
    soft=outputs.soft_targets,
    hard=outputs.labels,
    known=_any_class,
    arrange=_classes_last,
)
TEACHINGS: Mapping[TaskKind, TaskLosses] = {
    "classification": _CLASSES,
    "segmentation": _CLASSES,
    "token-classification": _TOKENS,
    "language-modeling": _TOKENS,
    "regression": TaskLosses(
        soft=lambda s, t, _: outputs.regression(s, t), hard=_squared, known=_value_known
    ),
    "embedding": TaskLosses(
        soft=lambda s, t, _: outputs.regression(s, t) + outputs.angles(s, t),
        hard=_none,
        known=_unknown,
    ),
    "detection": TaskLosses(
        soft=lambda s, t, _: outputs.detections(s, t), hard=_none, known=_unknown
    ),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as a student learns it and is judged by; without a metric by its teacher alone."""

    kind: TaskKind
    teaching: TaskLosses
    metric: Metric | None


def of_kind(kind: TaskKind) -> Task:
    """A kind of task with its own losses and its own metric, where labels have a say in it."""
    taught_alone = kind in ("detection", "embedding")
    metric = None if taught_alone else named(TaskSpec(kind=kind), Path())
    return Task(kind=kind, teaching=TEACHINGS[kind], metric=metric)


def of_spec(spec: TaskSpec, root: Path) -> Task:
    """The task that a project describes, with the user's functions where it names some.

    A loss takes outputs as the network gives them and targets, or the teacher's outputs, and
    returns one number a sample, (batch,), or one for all. Raises `UsageError` where a function
    or a metric is not there.
    """
    return of_functions(
        spec.kind,
        named(spec, root),
        loss=None if spec.loss is None else authored_loss(spec.loss, root),
        teacher_loss=None
        if spec.teacher_loss is None
        else authored_loss(spec.teacher_loss, root),
    )


def of_functions(
    kind: TaskKind,
    metric: Metric | None,
    *,
    loss: Hard | None = None,
    teacher_loss: Hard | None = None,
) -> Task:
    """A task with losses of the user's in place of the kind's own, where they are given.

    Each takes outputs (batch, ...) as the network gives them, and targets or the teacher's
    outputs; it returns losses (batch,).
    """
    teaching = TEACHINGS[kind]
    as_given = _given if teaching.arrange is _classes_last else lambda output: output
    if teacher_loss is not None:
        teaching = replace(
            teaching, soft=lambda s, t, _: teacher_loss(as_given(s), as_given(t))
        )
    if loss is not None:
        teaching = replace(
            teaching,
            hard=lambda student, targets: loss(as_given(student), targets),
            known=_known,
        )
    return Task(kind=kind, teaching=teaching, metric=metric)


def _known(targets: Tensor) -> Tensor:
    return _value_known(targets) if targets.is_floating_point() else _any_class(targets)


def authored_loss(reference: str, root: Path) -> Hard:
    """The loss that `loss.py:function` names, relative to `root`; raises `UsageError`."""
    function = locate(reference, root, UsageError)
    return checked_loss(function.load(), function.name)


def checked_loss(run: Callable[..., Any], name: str) -> Hard:
    """A loss that raises `TrainingError` where `run` gives no (batch,) or single loss."""

    def loss(ours: Tensor, others: Tensor) -> Tensor:
        return _by_sample(run(ours, others), len(ours), name)

    return loss


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
