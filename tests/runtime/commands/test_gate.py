"""`edgekit gate`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import history as records
from edgekit.bench import paired
from edgekit.bench.artifact import artifact_at
from edgekit.bench.protocol import measure
from edgekit.bench.tiers import tailored
from edgekit.child import environment, python
from edgekit.devices.local import LocalDevice
from tests.conftest import Run
from tests.runtime.commands import planted


def test_a_gate_on_a_device_takes_turns_with_the_baselines_artifact(
    run: Run, onnx_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A verdict takes at least five pairs; its words need two.
    monkeypatch.setattr(paired, "FIRST_PAIRS", 2)
    monkeypatch.setattr(paired, "ALL_PAIRS", 3)
    artifact = artifact_at(onnx_model.path)
    brief = tailored("quick", launches=1, seconds=0.1)
    found = measure([artifact], LocalDevice(), tier=brief, threads=1)[artifact.name]
    kept, history = tmp_path / "kept.json", tmp_path / "history.jsonl"
    entry = records.document(artifact, found, tier=brief.name)
    kept.write_text(json.dumps(entry))
    common = ("--device", "local", "--history", history)
    code, out, said = run("gate", onnx_model.path, "--baseline", kept, *common)
    # The same file against itself; 4 where the machine is too busy to decide.
    assert code in (0, 4), said
    assert "times the latency" in " ".join(out.split())
    assert len(history.read_text().splitlines()) == 1
    entry["artifact"]["files"] = ["/nowhere/else.onnx"]
    kept.write_text(json.dumps(entry))
    code, _, said = run("gate", onnx_model.path, "--baseline", kept, *common)
    assert code == 4
    assert "name it with --against" in said


@pytest.fixture(scope="module")
def gated(exported_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its network, its data and its baseline. Read only."""
    folder = planted.copied(exported_project, tmp_path_factory.mktemp("gated") / "own")
    done = subprocess.run(
        python("-m", "edgekit", "gate", "model.onnx", "--out", "baseline.json", "-q"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def own(gated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    shutil.copytree(gated, folder)
    monkeypatch.chdir(folder)
    return folder


def checked(run: Run, *options: object) -> tuple[int, dict[str, str], str]:
    """Exit code, verdicts by check, and the error line."""
    command = ("gate", "model.onnx", "--baseline", "baseline.json", "--json", "-q")
    code, out, said = run(*command, *options)
    found = {one["name"]: one["verdict"] for one in json.loads(out)["checks"]}
    return code, found, said


def test_the_same_model_passes_every_check(own: Path, run: Run) -> None:
    code, found, said = checked(run)
    assert code == 0, said
    assert set(found.values()) == {"pass"}
    assert set(found) >= {*planted.REGRESSIONS, "macs", "parameters"}
    assert "activation_bytes" in found


@pytest.mark.slow
@pytest.mark.parametrize("name", planted.REGRESSIONS)
def test_a_planted_regression_ends_red_by_its_name(
    own: Path, run: Run, name: str
) -> None:
    planted.REGRESSIONS[name](own)
    code, found, said = checked(run)
    assert code == 1, said
    assert found[name] == "fail"
    assert f"{name}: " in said
    whole = {"parity": {"accuracy"}, "slow_operators": {"model_bytes"}}
    others = {n for n, v in found.items() if v == "fail"} - {name}
    assert others <= whole.get(name, set())


def test_limits_of_a_project_or_a_file_hold_without_a_baseline(
    own: Path, run: Run
) -> None:
    (own / "small.toml").write_text("size_mb = 0.001\nparity = false\n")
    code, _, said = run("gate", "model.onnx", "--budgets", "small.toml", "-q")
    assert code == 1 and "size_mb: 0.01959 of 0.001 allowed" in said
    (own / "wrong.toml").write_text("size = 1\n")
    code, _, said = run("gate", "model.onnx", "--budgets", "wrong.toml", "-q")
    assert code == 2 and "Did you mean 'size_mb'?" in said
    with (own / "edgekit.toml").open("a") as toml:
        toml.write("[gate]\nsize_mb = 1\nlatency_ms = 5\nparity = false\n")
    code, out, said = run("gate", "model.onnx", "-q", "--json")
    assert code == 6 and "latency_ms" in said
    found = {one["name"]: one["verdict"] for one in json.loads(out)["checks"]}
    assert found == {"size_mb": "pass", "latency_ms": "unproven"}
