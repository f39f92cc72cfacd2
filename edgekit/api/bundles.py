"""The whole build of a network and data in memory, into a bundle."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit import tasks
from edgekit.api.datasets import Data
from edgekit.api.environment import attached_environment, profile, project_of
from edgekit.api.metrics import Loss, Score, metric_of, task_of, with_metric
from edgekit.api.networks import Network, load
from edgekit.errors import UsageError
from edgekit.pipeline import distributed
from edgekit.pipeline.build import build as run
from edgekit.pipeline.environment import InMemory
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Logged, Progress
from edgekit.types import Budget, Recipe, Report, Target


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The result of a build: the folder with `model.*`, candidates, student, manifest and
    report."""

    folder: Path
    report: Report
    """Everything that was found out, as `report.json` has it."""

    @property
    def student(self) -> Network:
        """The pruned and distilled network; raises `ModelError` where its file is damaged."""
        return load(self.folder / "student.pt2")


def build(  # noqa: PLR0913
    model: Network,
    data: Data,
    *,
    target: str | Target,
    out: str | Path,
    budget: Budget | None = None,
    device: str = "local",
    loss: Loss | None = None,
    teacher_loss: Loss | None = None,
    metric: Score | str | None = None,
    higher_is_better: bool = True,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Prune, distill, export, evaluate, measure and package a network for a target.

    `data` needs `train` and `test`. The bundle appears in the folder `out` whole or not at all.
    `loss`, `teacher_loss` and `metric` are as `edgekit.distill` has them; int8 files are judged by
    the task's own metric while layers are chosen. Raises `BudgetMissed`, after leaving the bundle,
    where its model is over the `budget`; `BudgetInfeasible` where no plan keeps it; and the errors
    of `edgekit.plan`, `edgekit.distill`, `edgekit.export` and `edgekit.benchmark`.
    """
    if distributed.is_distributed():
        raise UsageError(
            "A launcher started several processes, and edgekit.build runs in one. Start the "
            "script without it, or build with: accelerate launch -m edgekit build."
        )
    data.require("train", "test")
    task = data.task
    if isinstance(metric, str):
        task = with_metric(task, metric, higher_is_better=higher_is_better)
    if task.metric is None and tasks.of(task.kind).metric is None:
        raise UsageError(
            f"{task.kind.capitalize()} has no metric of its own, and files are judged in "
            "processes that need one in a file. Give metric='metric.py:score'."
        )
    project = replace(project_of(data, budget=budget, recipe=recipe), task=task)
    held = InMemory(network=model.program, samples=data.held)
    if any(map(callable, (loss, teacher_loss, metric))):
        judge = metric_of(metric, task, higher_is_better=higher_is_better)
        held = replace(
            held,
            task=task_of(task, metric=judge, loss=loss, teacher_loss=teacher_loss),
            # Functions have no content to be known by: nothing that they led to is used again.
            mark=uuid.uuid4().hex,
        )
    request = BuildRequest(project=project, target=profile(target))
    with attached_environment(
        request, device=device, progress=progress or Logged(), in_memory=held
    ) as env:
        report = run(request, env, Path(out))
    return Bundle(folder=Path(out), report=report)
