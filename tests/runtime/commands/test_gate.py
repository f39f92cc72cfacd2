"""`edgekit gate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import history as records
from edgekit.bench import paired
from edgekit.bench.artifact import artifact_at
from edgekit.bench.protocol import measure
from edgekit.bench.tiers import tailored
from edgekit.devices.local import LocalDevice
from tests.conftest import Run


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
