"""Jobs of kind profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.runtime.agent.test_agent_jobs import perform


def test_a_row_for_each_operator(tmp_path: Path, model: Any) -> None:
    job = {"kind": "profile", "runtime": model.runtime, "path": str(model.path)}
    status, result, screen = perform(tmp_path, job)
    if model.runtime == "litert":  # has no profiler: its operators are timed alone
        assert (status, result["error"]["kind"]) == (1, "job_invalid")
        return
    assert status == 0, screen
    kinds = {row["kind"].upper() for row in result["operators"]}
    assert kinds & {"RELU", "MATMUL", "FUSEDMATMUL", "FULLYCONNECTED"}
    assert all(row["us"] > 0 for row in result["operators"])
