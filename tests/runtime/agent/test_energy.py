"""Jobs of kind energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.agent.test_agent_jobs import perform


def test_energy_is_measured_or_null_with_the_reason(
    tmp_path: Path, onnx_model: Any
) -> None:
    job = {"kind": "energy", "runtime": "onnxruntime", "path": str(onnx_model.path)}
    brief = {"windows": 2, "window_s": 0.2, "idle_s": 0.2, "warmup_s": 0.1}
    _, result, _ = perform(tmp_path, {**job, **brief})
    if result["meter"] is None:
        assert "No energy meter can be read here" in result["reason"]
        assert {"rapl", "perf", "hwmon"} <= set(result["unreadable"])
    else:
        assert len(result["windows"]) == 2
    _, result, _ = perform(tmp_path, {**job, **brief, "meter": "none"})
    assert result["reason"] == "Energy was not asked for."
