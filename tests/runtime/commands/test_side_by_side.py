"""Several devices at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.runtime.commands.running import ROOT, agents_of, edgekit, wait_for


def test_a_device_that_fails_does_not_lose_what_the_other_measured(
    onnx_model: Any, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    devices = ("--device", "local", "--device", "local?python=/nowhere/python")
    common = ("--energy", "none", "--history", history, "--seconds", "0.2")
    done = edgekit("bench", onnx_model.path, *devices, *common)
    assert done.returncode == 3, done.stderr
    assert "Cannot start /nowhere/python" in done.stderr
    assert "local (host)" in done.stdout
    assert "failed" in done.stdout
    assert len(history.read_text().splitlines()) == 1


def test_a_terminated_command_leaves_no_process(onnx_model: Any) -> None:
    command = [sys.executable, "-m", "edgekit", "bench", str(onnx_model.path)]
    other = f"local?python={sys.executable}"
    devices = ["--device", "local", "--device", other, "--tier", "sustained"]
    bench = subprocess.Popen(
        [*command, *devices],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    started = psutil.Process(bench.pid)
    try:
        below = wait_for(lambda: agents_of(started), "an agent at work")
        everything = started.children(recursive=True)
        bench.terminate()
        assert bench.wait(timeout=60) == 143
        _, alive = psutil.wait_procs([*below, *everything], timeout=60)
        assert not alive
    finally:
        if bench.poll() is None:
            for one in (*started.children(recursive=True), started):
                one.kill()
        bench.communicate()
