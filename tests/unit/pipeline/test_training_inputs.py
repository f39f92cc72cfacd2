"""Common inputs of trainings: the project's task, or functions that the caller holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from torch import nn

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.distill import tasks
from edgekit.errors import UsageError
from edgekit.pipeline.environment import Environment, InMemory
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.training_inputs import TrainingInputs, task_of
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import InputSpec, TaskSpec


def parts(
    folder: Path, task: tasks.Task | None = None
) -> tuple[BuildRequest, Environment]:
    network = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    env = Environment(
        device=LocalDevice(),
        store=Store(folder),
        progress=Silent(),
        in_memory=InMemory(network=network, task=task, mark="mine"),
    )
    target = targets.load("raspberrypi4")
    return BuildRequest(project=project.example(), target=target), env


def test_the_task_is_the_projects_or_the_callers(tmp_path: Path) -> None:
    request, env = parts(tmp_path)
    assert type(task_of(request, env)) is type(
        tasks.of_spec(request.project.task, request.project.root)
    )
    own = tasks.of_spec(TaskSpec(kind="regression"), tmp_path)
    assert task_of(*parts(tmp_path, own)) is own


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("regression", {"label_smoothing": 0.1}),
        ("regression", {"augment": "rand"}),
        ("segmentation", {"augment": "rand-flip"}),
        ("detection", {"augment": "rand"}),
    ],
)
def test_options_that_are_not_for_the_task_are_refused_at_once(
    tmp_path: Path, kind: str, option: dict[str, Any]
) -> None:
    request, env = parts(tmp_path, tasks.of_kind(kind))
    recipe = request.project.recipe
    recipe = replace(recipe, distill=replace(recipe.distill, **option))
    request = replace(request, project=replace(request.project, recipe=recipe))
    with pytest.raises(UsageError, match=next(iter(option))):
        task_of(request, env)


def test_students_are_kept_by_the_seed_and_the_functions_in_memory(
    tmp_path: Path,
) -> None:
    request, env = parts(tmp_path)
    samples = cast(Any, object())
    task = task_of(request, env)
    found = TrainingInputs.of(request, env, samples, task)
    assert found.samples is samples
    assert (found.seed, found.mark) == (request.project.recipe.seed, "mine")
    assert (found.spec, found.store) == (request.project.task, env.store)
