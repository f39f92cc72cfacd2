"""Whole exported networks beside their operators, on the real runtime."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.config import project, targets
from edgekit.graph.graph import analyze
from edgekit.pipeline import cost_model, cost_provider
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.left_out import NotExportable
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.search import PlanTimer
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.prune.planner import Planner
from edgekit.store import Store
from edgekit.types import Artifact, InputSpec
from tests.runtime.cost.test_table import Counting


class Saying(Silent):
    def say(self, line: str) -> None:
        SAID.append(line)


SAID: list[str] = []


def test_a_table_is_corrected_by_networks_and_its_word_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project.example()
    recipe = replace(
        one.recipe, prune=replace(one.recipe.prune, cost_provenance="host")
    )
    request = BuildRequest(
        project=replace(one, recipe=recipe), target=targets.load("raspberrypi4")
    )
    env = Environment(
        device=Counting(),  # at rest: else networks are not kept
        store=Store(tmp_path / "store"),
        progress=Saying(),
    )
    costs, exporter = cost_provider.choose(request, env), ExportRunner.of(request, env)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4),
    )  # fmt: skip
    program = trace(network, (InputSpec(shape=(3, 32, 32)),))
    table = costs.table("onnxruntime", "fp32")
    planner = Planner(analyze(program), table, multiple=8, min_keep=0.25)
    planner.measure(env.device)
    [baseline] = exporter.export(
        program, [("onnxruntime", "fp32")], tmp_path / "whole", title="Export"
    )
    samples = np.zeros((1, 3, 32, 32), np.float32)
    timer = PlanTimer(
        exporter=exporter,
        bench=BenchRunner.of(request, env),
        variant=("onnxruntime", "fp32"),
        baseline=baseline,
        calibration=(samples,),
    )
    cost_model.calibrate(planner, timer, tmp_path)
    known = table.networks(cost_model.family_of(program, timer.variant))
    assert len(known) == 2
    assert all(sample.cost > 0 for sample in known)
    assert table.correction.scales
    pair = program, program
    check = partial(cost_model.check, costs, table, pair)
    found = check([baseline], request.target, env.progress)
    assert found is not None
    assert (found.provenance, found.unit) == ("host", "us")
    assert found.networks[0].name == "student"
    assert all(0 <= network.error < 1 for network in found.networks)
    assert "predict 2 whole networks within" in SAID[-1]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again what is on disk")

    monkeypatch.setattr(ExportRunner, "export", refuse)
    shutil.rmtree(tmp_path / "whole")
    cost_model.calibrate(planner, timer, tmp_path)
    for other in ({"precision": "int8"}, {"name": "onnxruntime-fp32-other"}):
        file = replace(baseline, **other)
        assert check([file], request.target, env.progress) is None


class Signs(nn.Module):
    """LiteRT's quantizer finds no ranges for it: its values are infinite on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.atan(self.last(self.first(x).relu()) * 1e38 * 1e38)


@pytest.mark.slow
def test_a_cut_that_a_quantizer_does_not_take_is_named(tmp_path: Path) -> None:
    request = BuildRequest(
        project=project.example(), target=targets.load("raspberrypi4")
    )
    env = Environment(
        device=Counting(), store=Store(tmp_path / "store"), progress=Saying()
    )
    program = trace(Signs(), (InputSpec(shape=(6,)),))
    table = cost_provider.choose(request, env).table("litert", "int8")
    planner = Planner(analyze(program), table, multiple=1, min_keep=0.25)
    planner.device = env.device
    baseline = Artifact(
        name="unpruned",
        runtime="litert",
        precision="int8",
        files=(),
        inputs=(),
        outputs=(),
    )
    samples = np.zeros((4, 6), np.float32)
    timer = PlanTimer(
        exporter=ExportRunner.of(request, env),
        bench=BenchRunner.of(request, env),
        variant=("litert", "int8"),
        baseline=baseline,
        calibration=(samples,),
    )
    with pytest.raises(NotExportable) as caught:
        cost_model.calibrate(planner, timer, tmp_path / "made")
    [note] = caught.value.notes
    assert (note.name, note.precision) == ("litert-int8", "int8")
