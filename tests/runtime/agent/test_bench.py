"""Jobs of kind bench, on every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.agent.test_agent_jobs import SHORT, perform


def test_a_launch_keeps_every_sample(tmp_path: Path, model: Any) -> None:
    job = {"kind": "bench", "runtime": model.runtime, "path": str(model.path), **SHORT}
    status, result, _ = perform(tmp_path, job)
    assert status == 0
    assert result["error"] is None
    assert result["complete"] is True
    assert len(result["samples_ns"]) >= 40
    assert all(sample > 0 for sample in result["samples_ns"])
    assert sum(result["samples_ns"]) / 1e9 <= result["timed_s"]
    assert result["warmup"]["runs"] >= 10
    assert result["load_ms"] > 0
    assert result["first_ms"] > 0
    assert result["peak_memory_mb"] >= result["memory_before_load_mb"] > 1
    assert result["runtime_version"][0].isdigit()
    assert result["machine"]["emulated"] is not True


def test_a_launch_is_pinned_and_looks_around(tmp_path: Path, onnx_model: Any) -> None:
    job = {"kind": "bench", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    _, result, _ = perform(tmp_path, {**job, **SHORT, "trace_s": 0.01})
    assert len(result["pinned"]) == 1
    assert len(result["trace"]) > 2
    assert result["cpu_s"] > 0
    assert result["refused"] is None
    _, result, _ = perform(tmp_path, {**job, **SHORT, "pin": False})
    assert result["pinned"] is None
    assert len(result["trace"]) == 2


def test_max_s_cuts_a_launch_short_and_is_marked(
    tmp_path: Path, onnx_model: Any
) -> None:
    job = {"kind": "bench", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    limits = {"warmup_min_s": 0.02, "min_runs": 10**9, "max_s": 0.05}
    status, result, _ = perform(tmp_path, {**job, **limits})
    assert status == 0
    assert result["complete"] is False
