"""Failures that another try may undo, and those that it would repeat."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.export.queues import Failure, Worker, _died, _failed
from edgekit.export.worker import Job
from edgekit.export.workers import export_request


def ended(folder: Path, code: str) -> Worker:
    """A worker of one file whose process ran `code`."""
    log = folder / "log"
    log.touch()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.wait()
    job = Job(
        runtime="litert",
        source=folder / "student.pt2",
        inputs=(),
        fp32=folder / "fp32.tflite",
        requested=(export_request("litert", "fp32"),),
        calibration=None,
        validation=None,
        labels=(),
        name="litert-fp32",
    )
    return Worker(job=job, rest=[], process=process, log=log)


@pytest.mark.parametrize(
    ("ends_by", "passing"), [(signal.SIGKILL, True), (signal.SIGABRT, False)]
)
def test_a_killed_process_may_pass_and_a_crash_does_not(
    tmp_path: Path, ends_by: signal.Signals, passing: bool
) -> None:
    worker = ended(tmp_path, f"import os; os.kill(os.getpid(), {int(ends_by)})")
    [failure] = _died(worker)
    assert isinstance(failure, Failure)
    assert failure.passing is passing


@pytest.mark.parametrize(
    ("said", "passing"),
    [
        ("no kernel for aten.sort", False),
        ("OSError: [Errno 28] No space left on device: 'model.tflite'", True),
        ("RuntimeError: std::bad_alloc", True),
        ("MemoryError: ", True),
    ],
)
def test_what_space_or_memory_ended_may_pass(
    tmp_path: Path, said: str, passing: bool
) -> None:
    [failure] = _failed(ended(tmp_path, ""), said)
    assert (failure.passing, str(failure.error)) == (passing, said)
