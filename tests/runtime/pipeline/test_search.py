"""Planners filled on the real runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from edgekit.config import project, targets
from edgekit.pipeline import cost_provider, search
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.prune.planner import Planner
from edgekit.store import Store
from edgekit.types import InputSpec
from tests.runtime.cost.test_table import Counting


class Saying(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def _planner(program: Program, root: Path, minutes: float) -> tuple[Planner, list[str]]:
    one = project.example()
    recipe = replace(
        one.recipe,
        prune=replace(one.recipe.prune, cost_provenance="host", cost_minutes=minutes),
    )
    request = BuildRequest(
        project=replace(one, recipe=recipe), target=targets.load("raspberrypi4")
    )
    progress = Saying()
    env = Environment(device=Counting(), store=Store(root), progress=progress)
    costs = cost_provider.choose(request, env)
    form = ("onnxruntime", "fp32")
    return (
        search.build_planner(program, form, costs, recipe.prune, progress),  # type: ignore[arg-type]
        progress.said,
    )


def test_a_plan_is_made_of_few_timed_operators_where_minutes_are_over(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, 40, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 4),
    )  # fmt: skip
    program = trace(network, (InputSpec(shape=(3, 32, 32)),))
    hurried, said = _planner(program, tmp_path / "a", 1e-9)
    whole, nothing_said = _planner(program, tmp_path / "b", 10.0)
    assert len(hurried.table) < len(whole.table)
    [line] = [line for line in said if "cost_minutes" in line]
    assert f"over at {len(hurried.table)} operators" in line
    assert f"{hurried.table.interpolated} more are interpolated" in line
    assert not [line for line in nothing_said if "cost_minutes" in line]
    least, most = hurried.cheapest().cost, hurried.whole().cost
    assert 0 < least < most / 2
