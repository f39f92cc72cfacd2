"""Which source a plan's costs come from, and what is said where one is not at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError
from edgekit.pipeline import cost_source
from edgekit.pipeline.context import Job
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import CostSource
from edgekit.types.operator_shape import OperatorShape


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without an emulator."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def job(
    folder: Path,
    target: str = "raspberrypi4",
    source: CostSource | str = "auto",
    threads: int | None = None,
) -> Job:
    one = project.example()
    recipe = one.recipe
    recipe = replace(
        recipe,
        prune=replace(recipe.prune, cost_source=source),
        bench=replace(recipe.bench, threads=threads),
    )
    found = targets.load(target)
    return Job(
        project=replace(one, recipe=recipe),
        target=found,
        device=LocalDevice(source="device" if found.cpu == "host" else "host"),
        store=Store(folder),
        progress=Silent(),
    )


def test_without_an_emulator_operators_are_timed_here_and_it_is_said(
    bare: Path,
) -> None:
    found = job(bare).costing
    assert found.source == "host"
    assert "no raspberrypi4 is attached" in found.why
    assert "apt-get install qemu-user" in found.why


def test_counting_is_offered_where_it_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_source, "missing", lambda core: None)
    found = job(tmp_path).costing
    assert found.source == "host"
    assert 'cost_source = "counted"' in found.why


def test_an_emulator_whose_programs_cannot_be_fetched_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = {
        "qemu-aarch64": "echo -plugin",
        "apt-get": "echo 'E: no network' >&2; exit 100",
        "gcc": "exit 0",
        "dpkg-deb": "exit 0",
    }
    for name, does in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    store = tmp_path / "store"
    with pytest.raises(DeviceError, match="E: no network"):
        _ = job(store, source="counted").costing
    assert not list((store / "rootfs").iterdir())


def test_the_target_itself_comes_first(tmp_path: Path) -> None:
    found = job(tmp_path, "host").costing
    assert found.source == "device"
    assert "the target itself" in found.why


def test_counts_of_several_threads_are_not_used(tmp_path: Path) -> None:
    found = job(tmp_path, threads=2).costing
    assert found.source == "host"
    assert "2 threads do not repeat" in found.why
    with pytest.raises(DeviceError, match="2 threads do not repeat"):
        _ = job(tmp_path, source="counted", threads=2).costing


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("device", "need a raspberrypi4, and none is attached"),
        ("counted", "cortex-a72 cannot be counted: qemu-aarch64 is not installed"),
    ],
)
def test_a_source_that_is_asked_for_and_not_there_is_refused(
    bare: Path, source: CostSource, words: str
) -> None:
    with pytest.raises(DeviceError, match=words):
        _ = job(bare, source=source).costing


def test_an_estimate_needs_nothing_and_says_so(bare: Path) -> None:
    asked = job(bare, source="estimated")
    table = cost_source.table(asked, asked.costing, "litert", "fp32")
    conv = OperatorShape(kind="conv", inputs=8, outputs=4, size=(4, 4))
    table.measure([conv], asked.costing.device)
    assert table.unit == "operations"
    assert table.cost(conv) > 0
    assert "estimated from the profile of raspberrypi4" in asked.costing.why


def test_a_table_is_one_for_the_whole_build(bare: Path) -> None:
    asked = job(bare, source="estimated")
    one = cost_source.table(asked, asked.costing, "litert", "fp32")
    assert cost_source.table(asked, asked.costing, "litert", "fp32") is one
    assert cost_source.table(asked, asked.costing, "litert", "int8") is not one


def test_a_runtime_that_is_not_there_has_no_costs(bare: Path) -> None:
    found = replace(job(bare).costing, runtimes={})
    with pytest.raises(DeviceError, match="local has no onnxruntime"):
        cost_source.table(job(bare), found, "onnxruntime", "fp32")


def test_tflite_runtime_stands_in_for_litert(bare: Path) -> None:
    found = replace(job(bare).costing, runtimes={"tflite-runtime": "2.14.0"})
    assert found.runtime("litert") == "tflite-runtime"
    assert found.runtime("onnxruntime") == "onnxruntime"
