"""Metrics and losses of the caller's, as steps take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.data.metrics import Name, named, of_function
from edgekit.distill.tasks import (
    Task,
    checked_loss,
    of_functions,
    of_kind,
    user_loss,
    with_functions,
)
from edgekit.tasks.losses import Hard
from edgekit.tasks.scores import Metric
from edgekit.types import TaskSpec

Score = Callable[..., Any]
"""Takes outputs (n, ...) and targets (n, ...) as arrays and returns a number; a module, such as a
metric of torchmetrics, takes tensors."""
Loss = Callable[..., Any]
"""Takes outputs (batch, ...) and targets, or the teacher's outputs, as tensors and returns losses
(batch,) or one for all."""


def metric_of(
    metric: Score | str | None, task: TaskSpec, *, higher_is_better: bool = True
) -> Metric:
    """The metric by its name or as a function; `None` is the task's own.

    Raises `UsageError` for a name that the kind of task does not have.
    """
    if metric is None or isinstance(metric, str):
        spec = with_metric(task, metric, higher_is_better=higher_is_better)
        return named(spec, Path.cwd())
    name = _name(metric)
    titled = Name(title=name, metric=name.replace("_", " "))
    return of_function(metric, titled, higher_is_better=higher_is_better)


def with_metric(
    task: TaskSpec, metric: str | None, *, higher_is_better: bool
) -> TaskSpec:
    """The task with another metric by name, where one is given."""
    if metric is None:
        return task
    return replace(
        task, metric=metric, better="higher" if higher_is_better else "lower"
    )


def task_of(
    task: TaskSpec,
    *,
    metric: Metric | None,
    loss: Loss | None,
    teacher_loss: Loss | None,
) -> Task:
    """A task with the caller's losses and metric in place of its own."""
    own = of_kind(task.kind).metric if task.metric is None else metric_of(None, task)
    found = of_functions(
        task,
        metric or own,
        loss=_loss(loss, task.loss),
        teacher_loss=_loss(teacher_loss, task.teacher_loss),
    )
    return with_functions(found, Path.cwd())


def _loss(given: Loss | None, named_by_task: str | None) -> Hard | None:
    if given is not None:
        return checked_loss(given, _name(given))
    return None if named_by_task is None else user_loss(named_by_task, Path.cwd())


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
