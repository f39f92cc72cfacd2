"""What an image answers, without the image: the same process, on this machine."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.agent.serving.test_server import start, write_description


def run(
    folder: Path, model: Any, *command: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "edgekit.agent.serving.main", *command],
        env=write_description(folder, model),
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )


def npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values, np.float32))
    return file.getvalue()


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


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "is empty"),
        (b"hello", "give - as a .npy"),
        (npy(np.zeros(5)), "has shape [5]; the model takes [4]"),
        (npy(np.zeros(4))[:-3], "Cannot read -"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_2(
    tmp_path: Path, requantizing_model: Any, stdin: bytes, words: str
) -> None:
    done = run(tmp_path, requantizing_model, "infer", stdin=stdin)
    assert done.returncode == 2 and done.stdout == b""
    said = [x for x in done.stderr.decode().splitlines() if x.startswith("edgekit:")]
    assert len(said) == 1 and words in said[0]


def test_a_pickled_array_is_not_opened(tmp_path: Path, requantizing_model: Any) -> None:
    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    done = run(tmp_path, requantizing_model, "infer", stdin=file.getvalue())
    assert done.returncode == 2


def test_an_unknown_model_lists_those_there_are(
    tmp_path: Path, requantizing_model: Any
) -> None:
    done = run(tmp_path, requantizing_model, "infer", "--model", "two", stdin=b"x")
    assert done.returncode == 2
    assert b"No model 'two' here. Known: one." in done.stderr


def test_bench_and_info_are_json(tmp_path: Path, model: Any) -> None:
    done = run(tmp_path, model, "bench", "--seconds", "0.2")
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["samples"] >= 100
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p90"]
    about = json.loads(run(tmp_path, model, "info").stdout)
    assert about["runtime"] == model.runtime and about["machine"]["cores"] >= 1


def test_a_crash_is_told_by_whoever_watched(
    tmp_path: Path, requantizing_model: Any
) -> None:
    one = start(tmp_path, requantizing_model)
    children = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children")
    [worker] = children.read_text().split()
    os.kill(int(worker), signal.SIGSEGV)
    assert one.process.wait(timeout=30) == 128 + signal.SIGSEGV
    assert one.process.stderr is not None
    assert "ended by SIGSEGV (139)" in one.process.stderr.read()


def test_a_server_ends_when_its_client_is_gone(
    tmp_path: Path, requantizing_model: Any
) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "edgekit.agent.serving.main", "serve"),
            *("--port", "0", "--host", "127.0.0.1", "--until-stdin-closes"),
        ],
        env=write_description(tmp_path, requantizing_model),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None and process.stdin is not None
    while b"/v2" not in process.stderr.readline():
        assert process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=30) == 0
