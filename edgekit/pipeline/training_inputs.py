"""Common inputs of every training of one build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.distill import tasks
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.samples import BuildData
from edgekit.progress import Progress
from edgekit.store import Store
from edgekit.types import TaskSpec


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """The data, the task and the seed of trainings, and the store that keeps their students."""

    samples: BuildData
    task: tasks.Task
    spec: TaskSpec
    """The task as the project has it, by which students are kept."""
    seed: int
    store: Store
    progress: Progress
    mark: str = ""
    """Store keys of functions in memory."""
    root: Path = Path()
    """The project's folder, where functions of the user's lie."""

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        samples: BuildData,
        task: tasks.Task,
    ) -> TrainingInputs:
        """Of a build's project, on its data."""
        project = request.project
        return cls(
            samples=samples,
            task=task,
            spec=project.task,
            seed=project.recipe.seed,
            store=env.store,
            progress=env.progress,
            mark=env.mark,
            root=project.root,
        )


def task_of(request: BuildRequest, env: Environment) -> tasks.Task:
    """The project's task with its losses and its metric, or the caller's in memory.

    Raises `ProjectError` for functions that cannot be read, `UsageError` where the recipe has
    options that are not for this task: here and not when minutes are spent.
    """
    if env.in_memory is not None and env.in_memory.task is not None:
        task = env.in_memory.task
    else:
        task = tasks.of_spec(request.project.task, request.project.root)
    task.check(request.project.recipe.distill)
    return task
