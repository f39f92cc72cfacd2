"""Metrics and losses of the caller's, as steps take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.data.metrics import Metric, Name, named, of_function
from edgekit.distill.tasks import Task, checked_loss, of_functions, of_kind
from edgekit.types import TaskKind, TaskSpec

Score = Callable[..., Any]
"""Takes outputs (n, ...) and targets (n, ...) as arrays and returns a number; a module, such as a
metric of torchmetrics, takes tensors."""
Loss = Callable[..., Any]
"""Takes outputs (batch, ...) and targets, or the teacher's outputs, as tensors and returns losses
(batch,) or one for all."""


def metric_of(
    metric: Score | str | None, kind: TaskKind, *, higher_is_better: bool = True
) -> Metric:
    """The metric by its name or as a function; `None` is the task's own.

    Raises `UsageError` for a name that the kind of task does not have.
    """
    if metric is None or isinstance(metric, str):
        better = None if higher_is_better else "lower"
        return named(TaskSpec(kind=kind, metric=metric, better=better), Path.cwd())  # type: ignore[arg-type]
    name = _name(metric)
    titled = Name(title=name, metric=name.replace("_", " "))
    return of_function(metric, titled, higher_is_better=higher_is_better)


def task_of(
    kind: TaskKind,
    *,
    metric: Metric | None,
    loss: Loss | None,
    teacher_loss: Loss | None,
) -> Task:
    """A task with the caller's losses and metric in place of its own."""
    return of_functions(
        kind,
        metric or of_kind(kind).metric,
        loss=None if loss is None else checked_loss(loss, _name(loss)),
        teacher_loss=None
        if teacher_loss is None
        else checked_loss(teacher_loss, _name(teacher_loss)),
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
