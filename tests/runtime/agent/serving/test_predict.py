"""`infer`, `bench` and `info` of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.agent.serving.test_main import npy, run


def test_infer_reads_stdin_and_prints_label_and_scores(
    tmp_path: Path, requantizing_model: Any
) -> None:
    done = run(tmp_path, requantizing_model, "infer", stdin=npy([0.0, 0.5, 2.0, -1.0]))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["label"] == "c" and list(answer["scores"]) == list("abcd")
    assert answer["outputs"] == [[0.0, 0.5, 2.0, -1.0]], "quantized in and out"
    assert sum(answer["scores"].values()) == pytest.approx(1.0)


def test_infer_reads_files_and_folders_a_line_each(
    tmp_path: Path, requantizing_model: Any
) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    for number in range(3):
        (inside / f"{number}.npy").write_bytes(npy(np.eye(4)[number]))
    (inside / "notes.txt").write_text("not read")
    done = run(tmp_path, requantizing_model, "infer", str(inside))
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == list(
        "abc"
    )


def test_bench_and_info_are_json(tmp_path: Path, model: Any) -> None:
    done = run(tmp_path, model, "bench", "--seconds", "0.2")
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["samples"] >= 100
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p90"]
    about = json.loads(run(tmp_path, model, "info").stdout)
    assert about["runtime"] == model.runtime and about["machine"]["cores"] >= 1
