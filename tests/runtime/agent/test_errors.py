"""Errors of jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.agent.test_agent_jobs import perform


@pytest.mark.parametrize(
    ("job", "kind", "words"),
    [
        ({"kind": "bench", "runtime": "nope", "path": "x"}, "job_invalid", "Known:"),
        ({"kind": "bench", "runtime": "onnxruntime"}, "job_invalid", "needs 'path'"),
        (
            {"kind": "dance"},
            "job_invalid",
            "Known: bench, energy, infer, microbenchmark, probe, profile",
        ),
        ({"schema": 99, "kind": "probe"}, "job_invalid", "schema 99"),
        (
            {"kind": "bench", "runtime": "tflite-runtime", "path": "x"},
            "runtime_missing",
            "tflite-runtime needs the package tflite-runtime",
        ),
        (
            {"kind": "bench", "runtime": "onnxruntime", "path": "/nowhere/model.onnx"},
            "model_unreadable",
            "/nowhere/model.onnx (No such file",
        ),
        (
            {
                "kind": "bench",
                "runtime": "onnxruntime",
                "path": "x",
                "options": {"a": 1},
            },
            "job_invalid",
            "no option 'a'. Known: allow_spinning",
        ),
        (
            {
                "kind": "microbenchmark",
                "runtime": "onnxruntime",
                "models": [],
                "unit": "instructions",
            },
            "job_invalid",
            "in an emulated process only",
        ),
        (
            {
                "kind": "microbenchmark",
                "runtime": "onnxruntime",
                "models": [],
                "unit": "s",
            },
            "job_invalid",
            "No unit 's' of cost. Known: us, instructions",
        ),
        (
            {"kind": "microbenchmark", "runtime": "onnxruntime", "models": 5},
            "internal",
            "TypeError",
        ),
    ],
)
def test_errors_are_one_line_and_a_kind(
    tmp_path: Path, job: dict[str, Any], kind: str, words: str
) -> None:
    status, result, screen = perform(tmp_path, job)
    assert status == 1
    assert result["error"]["kind"] == kind
    assert words in result["error"]["message"]
    assert "\n" not in result["error"]["message"]
    assert "Traceback" not in screen
    assert len(screen.strip().splitlines()) == 1
