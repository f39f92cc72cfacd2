"""Jobs of kind probe."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.runtime.agent.test_agent_jobs import perform


def test_the_probe_reports_what_is_missing(tmp_path: Path) -> None:
    _, result, _ = perform(tmp_path, {"kind": "probe"})
    assert set(result["runtimes"]) == {
        "executorch",
        "litert",
        "ncnn",
        "tflite-runtime",
        "onnxruntime",
        "openvino",
    }
    for facts in result["runtimes"].values():
        assert (facts["version"] is None) != (facts["reason"] is None)
    assert {"rapl", "perf", "hwmon", "pi5-pmic", "battery"} < set(result["meters"])
    assert result["conditions"]["at_ns"] > 0
    assert result["machine"]["cores"] >= 1


def test_a_bare_python_can_be_asked_and_reported_what_it_lacks(tmp_path: Path) -> None:
    bare = [sys.executable, "-S", "-m", "edgekit.agent"]
    status, result, screen = perform(tmp_path, {"kind": "probe"}, command=bare)
    assert status == 0, screen
    assert result["numpy"] is None
    assert result["machine"]["cores"] >= 1
    assert {fact["version"] for fact in result["runtimes"].values()} == {None}
    job = {"kind": "bench", "runtime": "onnxruntime", "path": "m.onnx"}
    status, result, _ = perform(tmp_path, job, command=bare)
    assert (status, result["error"]["kind"]) == (1, "numpy_missing")
