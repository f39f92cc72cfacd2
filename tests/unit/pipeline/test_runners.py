"""Exports and timings of a build as its recipe asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.pipeline import runners
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.progress import Silent
from edgekit.store import Json, Store
from edgekit.types import Measurement, Provenance
from tests.unit.bench.test_statistics import measurement
from tests.unit.pipeline import artifacts


def parts(folder: Path, provenance: Provenance) -> tuple[BuildRequest, Environment]:
    one = project.example()
    recipe = replace(
        one.recipe,
        export=replace(one.recipe.export, litert_layout="nhwc"),
        bench=replace(one.recipe.bench, tier="full", threads=2),
    )
    target = targets.load("raspberrypi4")
    request = BuildRequest(project=replace(one, recipe=recipe), target=target)
    device = LocalDevice(provenance=provenance)
    return request, Environment(device=device, store=Store(folder), progress=Silent())


@pytest.mark.parametrize(("provenance", "proven"), [("device", True), ("host", False)])
def test_timings_are_the_targets_own_where_it_is_attached(
    tmp_path: Path, provenance: Provenance, proven: bool
) -> None:
    runner = BenchRunner.of(*parts(tmp_path, provenance))
    assert runner.proven is proven
    assert (runner.tier, runner.threads) == ("full", 2)


def test_exports_have_the_layout_of_the_recipe(tmp_path: Path) -> None:
    request, env = parts(tmp_path, "host")
    assert ExportRunner.of(request, env).channels_last
    assert ExportRunner.of(request, env).target == "raspberrypi4"
    plain = replace(request, project=project.example())
    assert not ExportRunner.of(plain, env).channels_last


@pytest.mark.parametrize(
    ("days", "holds"), [(0.0, True), (29.9, True), (30.1, False), (-0.1, False)]
)
def test_times_hold_for_a_month_and_not_before_they_were_taken(
    days: float, holds: bool
) -> None:
    taken = datetime.now(UTC) - timedelta(days=days)
    one = replace(measurement("a", 1.0, 1.1), taken=taken.isoformat(timespec="seconds"))
    assert runners.recent([one, measured_now()]) is holds


def measured_now() -> Measurement:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(measurement("b", 1.0, 1.1), taken=now)


def test_times_without_a_date_do_not_hold() -> None:
    assert not runners.recent([replace(measurement("a", 1.0, 1.1), taken=None)])


def test_reused_times_are_announced_with_day_and_machine() -> None:
    one = replace(
        measurement("a", 1.0, 1.1), device="local", taken="2026-11-29T09:53:01+00:00"
    )
    words = "measured 2026-11-29 09:53 UTC on this machine, reused"
    assert runners._reused({"a": one}) == words


def test_a_timing_belongs_to_its_files_title_and_settings(tmp_path: Path) -> None:
    request, env = parts(tmp_path, "host")
    bench = replace(BenchRunner.of(request, env), runtimes=lambda: {"litert": "2.3.0"})
    file = tmp_path / "x.tflite"
    file.write_bytes(b"one")
    artifact = replace(artifacts.artifact("fp32"), files=(file,))

    def name(
        runner: BenchRunner = bench, title: str = "Measure", **more: object
    ) -> str:
        return runner.stage(title, Json[int](int), [artifact], more).name

    first = name(tier="quick")
    assert name(tier="quick") == first
    assert name(tier="report") != first
    assert name(title="Measure again", tier="quick") != first
    assert name(replace(bench, threads=1), tier="quick") != first
    newer = replace(bench, runtimes=lambda: {"litert": "2.4.0"})
    assert name(newer, tier="quick") != first
    file.write_bytes(b"two")
    assert name(tier="quick") != first
