"""Sources of a plan's costs, and the note where one is not at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import project, targets
from edgekit.devices.local import LocalDevice
from edgekit.errors import DeviceError
from edgekit.pipeline import cost_provider
from edgekit.pipeline.cost_provider import CostProvider
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Provenance
from edgekit.types.operator_shape import OperatorShape


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without an emulator."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def costs(
    folder: Path,
    target: str = "raspberrypi4",
    provenance: Provenance | str = "auto",
    threads: int | None = None,
) -> CostProvider:
    one = project.example()
    recipe = one.recipe
    recipe = replace(
        recipe,
        prune=replace(recipe.prune, cost_provenance=provenance),
        bench=replace(recipe.bench, threads=threads),
    )
    found = targets.load(target)
    env = Environment(
        device=LocalDevice(provenance="device" if found.cpu == "host" else "host"),
        store=Store(folder),
        progress=Silent(),
    )
    request = BuildRequest(project=replace(one, recipe=recipe), target=found)
    return cost_provider.choose(request, env)


def test_without_an_emulator_operators_are_timed_here_and_it_is_said(
    bare: Path,
) -> None:
    found = costs(bare).origin
    assert found.provenance == "host"
    assert "no raspberrypi4 is attached" in found.why
    assert "apt-get install qemu-user" in found.why


def test_counting_is_offered_where_it_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_provider, "missing", lambda core: None)
    found = costs(tmp_path).origin
    assert found.provenance == "host"
    assert 'cost_provenance = "counted"' in found.why


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
        costs(store, provenance="counted")
    assert not list((store / "rootfs").iterdir())


def test_the_target_itself_comes_first(tmp_path: Path) -> None:
    found = costs(tmp_path, "host").origin
    assert found.provenance == "device"
    assert "the target itself" in found.why


def test_counts_of_several_threads_are_not_used(tmp_path: Path) -> None:
    found = costs(tmp_path, threads=2).origin
    assert found.provenance == "host"
    assert "2 threads do not repeat" in found.why
    with pytest.raises(DeviceError, match="2 threads do not repeat"):
        costs(tmp_path, provenance="counted", threads=2)


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ("device", "need a raspberrypi4, and none is attached"),
        ("counted", "cortex-a72 cannot be counted: qemu-aarch64 is not installed"),
    ],
)
def test_a_source_that_is_asked_for_and_not_there_is_refused(
    bare: Path, provenance: Provenance, words: str
) -> None:
    with pytest.raises(DeviceError, match=words):
        costs(bare, provenance=provenance)


def test_an_estimate_needs_nothing_and_is_marked(bare: Path) -> None:
    asked = costs(bare, provenance="estimated")
    table = asked.table("litert", "fp32")
    conv = OperatorShape(kind="conv", inputs=8, outputs=4, size=(4, 4))
    table.measure([conv], asked.device)
    assert table.unit == "operations"
    assert table.cost(conv) > 0
    assert "estimated from the profile of raspberrypi4" in asked.origin.why


def test_a_table_is_one_for_the_whole_build(bare: Path) -> None:
    asked = costs(bare, provenance="estimated")
    one = asked.table("litert", "fp32")
    assert asked.table("litert", "fp32") is one
    assert asked.table("litert", "int8") is not one


def test_a_runtime_that_is_not_there_has_no_costs(bare: Path) -> None:
    found = costs(bare)
    found = replace(found, origin=replace(found.origin, runtimes={}))
    with pytest.raises(DeviceError, match="local has no onnxruntime"):
        found.table("onnxruntime", "fp32")


def test_tflite_runtime_stands_in_for_litert(bare: Path) -> None:
    found = costs(bare)
    old = {"tflite-runtime": "2.14.0"}
    found = replace(found, origin=replace(found.origin, runtimes=old))
    assert found.runtime("litert") == "tflite-runtime"
    assert found.runtime("onnxruntime") == "onnxruntime"
