"""`edgekit bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.runtime.commands.running import edgekit


@pytest.mark.slow
def test_a_measurement_is_kept_compared_and_gated(
    onnx_model: Any, tmp_path: Path
) -> None:
    kept, history = tmp_path / "one.json", tmp_path / "history.jsonl"
    done = edgekit(
        "bench",
        onnx_model.path,
        "--out",
        kept,
        "--history",
        history,
        "--energy",
        "none",
    )
    assert done.returncode in (0, 4), (
        done.stderr
    )  # 4: a busy machine's figures do not hold
    entry = json.loads(history.read_text())
    assert len(entry.pop("digest")) == 64
    assert entry == json.loads(kept.read_text())
    reasons = entry["measurement"]["energy"]["reasons"]
    assert reasons == [{"kind": "energy_not_requested"}]
    assert entry["measurement"]["conditions"]["pinned"]

    same = edgekit("compare", kept, kept)
    assert same.returncode == 0, same.stderr
    assert "1.000" in same.stdout
    entry["measurement"]["device"] = "ssh://pi"
    (tmp_path / "two.json").write_text(json.dumps(entry))
    other = edgekit("compare", kept, tmp_path / "two.json")
    assert other.returncode == 4
    assert "they differ in device (local, ssh://pi)" in other.stderr

    assert edgekit("gate", onnx_model.path, "--baseline", kept).returncode == 0
    over = edgekit("gate", onnx_model.path, "--baseline", kept, "--size-mb", "0.000001")
    assert over.returncode == 1
    assert "size_mb" in over.stderr
    blind = edgekit("gate", onnx_model.path, "--baseline", kept, "--latency-ms", "1")
    assert blind.returncode == 2
    assert "add --device" in blind.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "shh://x"], "Did you mean 'ssh'"),
        (["--energy", "sundial"], "No energy meter 'sundial'"),
        (["--energy", "modeled"], "needs --target"),
        (["--energy", "modeled", "--target", "host"], "has no published watts"),
        (["--energy", "serial"], "Where is the meter?"),
        (["--seconds", "-1"], "it must be more than 0"),
        (["--out", "x", "-d", "local", "-d", "adb://x"], "--out takes one --device"),
        (["--against", "MODEL", "--launches", "9"], "5 or 20 pairs"),
        (["--out", "/"], "Cannot write /"),
    ],
)
def test_wrong_usage_is_named_before_anything_is_measured(
    run: Run, onnx_model: Any, options: list[str], words: str
) -> None:
    given = [str(onnx_model.path) if part == "MODEL" else part for part in options]
    code, _, said = run("bench", onnx_model.path, *given)
    assert code == 2, said
    assert words in said
