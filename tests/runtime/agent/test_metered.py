"""Models that are looped while a meter counts: with meters that are there or are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.agent.test_agent_jobs import perform


def job(model: Any, **more: Any) -> dict[str, Any]:
    rows = {"rounds": 1, "min_round_ms": 1, "windows": 2, "window_s": 0.05}
    given = {
        "kind": "microbenchmark",
        "runtime": model.runtime,
        "models": [str(model.path)] * 2,
    }
    return {**given, **rows, **more}


def test_every_model_has_its_windows_or_the_reason_is_said(
    tmp_path: Path, onnx_model: Any
) -> None:
    status, result, _ = perform(tmp_path, job(onnx_model, meter="auto"))
    assert status == 0
    windows = [len(row["windows"]) for row in result["results"]]
    if result["meter"] is None:
        assert windows == [0, 0]
        assert result["reason"] and result["unreadable"]
    else:
        assert windows == [2, 2]
        assert all(w["runs"] > 0 for row in result["results"] for w in row["windows"])


@pytest.mark.parametrize("empty", [{"windows": 0}, {"window_s": 0}])
def test_empty_windows_are_refused(
    tmp_path: Path, onnx_model: Any, empty: dict[str, float]
) -> None:
    status, result, _ = perform(tmp_path, job(onnx_model, meter="auto", **empty))
    assert status == 1
    assert result["error"]["kind"] == "inputs_invalid"
    assert "more than 0 s" in result["error"]["message"]
