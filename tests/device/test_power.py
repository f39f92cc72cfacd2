"""Energy by operator from meters as the kernel shows them: a live counter, and a shunt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.bench.tiers import TIERS
from edgekit.config import project, targets
from edgekit.cost import power
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices.local import LocalDevice
from edgekit.graph.graph import analyze
from edgekit.pipeline import cost_provider
from edgekit.pipeline.constraints import constraints_from_budget
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.prune.planner import Planner
from edgekit.store import Store
from edgekit.types import Budget, InputSpec
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.notes import EnergyPlannedByOperators
from edgekit.types.operator_shape import OperatorShape
from tests.device.conftest import WATTS

CONV = OperatorShape(
    kind="conv", inputs=8, outputs=16, size=(12, 12), kernel=(3, 3), padding=(1, 1)
)
WIDE = replace(CONV, outputs=64)
LINEAR = OperatorShape(kind="linear", inputs=64, outputs=32)
KEY = TableKey(
    fingerprint="here",
    runtime="litert",
    runtime_version="1",
    precision="fp32",
    threads=1,
)


class Metering(LocalDevice):
    """The real device, counting the models that it had to meter."""

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if job.get("meter"):
            ASKED.append(len(job["models"]))
        return super().run(job, timeout_s=timeout_s)


ASKED: list[int] = []


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    ASKED.clear()


@pytest.fixture
def shunt(readable: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    chip = readable / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina226\n")
    (chip / "power1_input").write_text("3200000\n")
    monkeypatch.setenv("EDGEKIT_SYS", str(readable / "sys"))
    return 3.2


def measured(folder: Path) -> CostTable:
    table = CostTable(KEY, "device", folder)
    table.measure([CONV, WIDE, LINEAR], LocalDevice())
    return table


def test_a_live_counter_gives_each_cell_its_energy(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SYS", str(live))
    table = measured(tmp_path)
    assert (
        table.meter_power([CONV, WIDE, LINEAR], Metering(provenance="device")) is None
    )
    assert (table.metered, table.meter, table.boundary) == (3, "rapl", "package")
    kept = CostTable(KEY, "device", tmp_path)
    for operator in (CONV, WIDE, LINEAR):
        expected_mj = WATTS * table.cost(operator) / 1e3
        assert kept.energy_mj(operator) == pytest.approx(expected_mj, rel=0.15)
    asked = len(ASKED)
    assert kept.meter_power([CONV, WIDE, LINEAR], Metering(provenance="device")) is None
    assert len(ASKED) == asked, "what is on disk was metered again"


def test_a_shunt_is_read_for_as_long_as_it_needs(shunt: float, tmp_path: Path) -> None:
    table = measured(tmp_path)
    assert table.meter_power([CONV], LocalDevice(), "hwmon") is None
    assert (table.meter, table.boundary) == ("hwmon", "board")
    expected_mj = shunt * table.cost(CONV) / 1e3
    assert table.energy_mj(CONV) == pytest.approx(expected_mj, rel=0.02)


def test_a_counter_that_stands_still_gives_no_energy(
    readable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = readable / "class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    for name, content in (
        ("name", "package-0"),
        ("energy_uj", "100000"),
        ("max_energy_range_uj", "262143328850"),
    ):
        (zone / name).write_text(f"{content}\n")
    monkeypatch.setenv("EDGEKIT_SYS", str(readable))
    monkeypatch.setattr(power, "WINDOW_S", 0.01)
    table = measured(tmp_path)
    said = table.meter_power([CONV], Metering(provenance="device"))
    assert said == OperatorsUnmetered(kind="none_resolved", value="rapl")
    assert ASKED == [1, 1, 1]
    assert table.energy_mj(CONV) is None


def test_without_a_meter_the_reason_is_said(
    readable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SYS", str(readable))
    said = measured(tmp_path).meter_power([CONV], LocalDevice())
    assert said is not None
    assert (said.kind, said.meters[0]) == ("no_meter", "rapl")


def test_an_energy_budget_is_planned_for_by_operators(
    live: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_SYS", str(live))
    quick = replace(TIERS["quick"], windows=2, window_s=0.5, idle_s=0.5, min_s=0.2)
    monkeypatch.setitem(TIERS, "quick", quick)  # type: ignore[index]
    request, env, planner = prepared(tmp_path)
    [baseline] = ExportRunner.of(request, env).export(
        planner.graph.program,
        [("onnxruntime", "fp32")],
        tmp_path / "whole",
        title="Export",
    )
    asked = (
        *(planner, request.project.budget, request.target.name),
        *(("fp32",), BenchRunner.of(request, env)),
    )
    constraints = constraints_from_budget(*asked, baseline)
    assert constraints.speedup is None
    [note] = constraints.notes
    assert isinstance(note, EnergyPlannedByOperators)
    assert (note.meter, note.boundary) == ("rapl", "package")
    assert note.metered > 0
    assert constraints.energy_mj is not None
    assert constraints.full_energy_mj is not None
    assert constraints.full_energy_mj == pytest.approx(
        WATTS * constraints.full_cost / 1e3, rel=0.15
    )
    asked_mj = request.project.budget.energy_mj
    assert constraints.energy_mj * constraints.energy_scale == pytest.approx(asked_mj)
    untimed = constraints_from_budget(*asked, None)
    assert (untimed.energy_mj, untimed.energy_scale) == (asked_mj, 1.0)
    least_mj = planner.cheapest("energy_mj").energy_mj
    assert least_mj is not None
    between_mj = (least_mj + constraints.full_energy_mj) / 2
    scores = {g.id: np.ones(g.units) for g in planner.graph.groups}
    found = planner.solve(
        scores, replace(constraints.limits(None), energy_mj=between_mj)
    )
    assert found.energy_mj is not None
    assert least_mj <= found.energy_mj <= between_mj < constraints.full_energy_mj


def prepared(folder: Path) -> tuple[BuildRequest, Environment, Planner]:
    one = project.example()
    recipe = replace(one.recipe, bench=replace(one.recipe.bench, tier="quick"))
    request = BuildRequest(
        project=replace(one, recipe=recipe, budget=Budget(energy_mj=1000.0)),
        target=targets.load("intel-n100"),
    )
    env = Environment(
        device=LocalDevice(provenance="device"),
        store=Store(folder / "store"),
        progress=Silent(),
    )
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4),
    )  # fmt: skip
    program = trace(network, (InputSpec(shape=(3, 16, 16)),))
    table = cost_provider.choose(request, env).table("onnxruntime", "fp32")
    planner = Planner(analyze(program), table, multiple=8, min_keep=0.25)
    planner.measure(env.device)
    return request, env, planner
