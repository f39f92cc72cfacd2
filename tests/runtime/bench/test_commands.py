"""`bench`, `compare`, `gate` and `devices` as a user runs them: what they print and exit with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


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
    assert entry == json.loads(kept.read_text())
    assert entry["measurement"]["energy"]["reason"] == "Energy was not asked for."
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


def test_wrong_usage_is_named(onnx_model: Any, tmp_path: Path) -> None:
    for arguments, words in (
        (("bench", onnx_model.path, "--device", "shh://x"), "Did you mean 'ssh'"),
        (
            ("bench", onnx_model.path, "--energy", "sundial"),
            "No energy meter 'sundial'",
        ),
        (("bench", onnx_model.path, "--energy", "modelled"), "needs --target"),
        (("compare", tmp_path / "a", tmp_path / "b"), "Cannot read"),
    ):
        done = edgekit(*arguments)
        assert done.returncode == 2, done.stderr
        assert words in done.stderr


def test_this_machine_is_listed_and_asked() -> None:
    assert "local" in edgekit("devices").stdout
    done = edgekit("devices", "probe", "local", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtimes"]["onnxruntime"]["version"]
