"""Metrics of outputs by task, and agreement between two networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgekit import tasks
from edgekit.config.user_code import is_reference, locate
from edgekit.errors import DataError, UsageError
from edgekit.suggestions import suggest
from edgekit.tasks import decoding
from edgekit.tasks.scores import Metric, Outputs
from edgekit.tasks.targets import Targets
from edgekit.types import Evaluation, TaskSpec


def named(task: TaskSpec, root: Path) -> Metric:
    """The metric that a task names: one of its kind's own, or a function of the user's.

    That takes outputs (n, ...) and targets (n, ...) as arrays and returns a number. Raises
    `UsageError` for a metric that the kind does not have, and where it has none of its own.
    """
    definition = tasks.of(task)
    known = _known(task, definition, root)
    own = definition.own_metric or next(iter(known.values()), None)
    if task.metric is None and own is not None:
        return own
    if task.metric is None:
        decoded = definition.decoded is not None
        raise UsageError(
            f"[task] metric is missing: {task.kind} needs one of yours, which takes outputs and "
            'targets as arrays and returns a number: metric = "metric.py:score"'
            + (", or the decoder of its boxes: decoder = ..." if decoded else "")
            + "."
        )
    if is_reference(task.metric):
        return _by_user(task, task.metric, root)
    if task.metric not in known:
        hint = suggest(task.metric, known)
        raise UsageError(
            f"[task] metric = '{task.metric}' is none of {task.kind}.{hint} Known: "
            f"{', '.join(known) or 'none'}, or a function of yours: 'metric.py:score'."
        )
    return known[task.metric]


def decoder_of(task: TaskSpec, root: Path) -> decoding.Decode | None:
    """The decoder that a task names, a head's or the user's own; `None` without one."""
    given = task.box_decoder
    if given is None:
        return None
    if not is_reference(given.head):
        return decoding.named(task)
    function = locate(given.head, root, UsageError)
    masks = tasks.of(task.kind).finds_masks
    of = decoding.of_mask_function if masks else decoding.of_function
    return of(function.load(), function.name)


def _known(
    task: TaskSpec, definition: tasks.TaskDefinition, root: Path
) -> Mapping[str, Metric]:
    """The metrics by name, of boxes those that the task's decoder finds."""
    decode = None if definition.box_metrics is None else decoder_of(task, root)
    if decode is None or definition.box_metrics is None:
        return definition.metrics
    return definition.box_metrics(decode)


def _by_user(task: TaskSpec, reference: str, root: Path) -> Metric:
    function = locate(reference, root, UsageError)
    name = Name(title=function.name, metric=function.function.replace("_", " "))
    return of_function(function.load(), name, higher_is_better=task.better != "lower")


@dataclass(frozen=True, kw_only=True)
class Name:
    """Names of a user's function in errors and reports."""

    title: str
    metric: str


def of_function(
    score: Callable[..., Any], name: Name, *, higher_is_better: bool = True
) -> Metric:
    """A metric from `score(outputs, targets)`, which takes arrays (n, ...) and returns a number.

    A module, such as a metric of torchmetrics, takes tensors. The metric raises `UsageError` where
    `score` returns no number, and `DataError` where that is not finite.
    """

    def measured(outputs: Outputs, targets: Targets) -> Evaluation:
        given: tuple[Any, Any] = outputs, targets
        if isinstance(score, nn.Module):
            given = torch.from_numpy(outputs), torch.from_numpy(targets)
        try:
            value = float(score(*given))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{name.title} returned no number ({error}). Return one."
            ) from error
        if not math.isfinite(value):
            raise DataError(f"{name.title} returned {value}. Return a number.")
        return Evaluation(
            metric=name.metric,
            value=value,
            samples=len(outputs),
            higher_is_better=higher_is_better,
            is_fraction=False,
        )

    return measured
