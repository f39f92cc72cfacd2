"""The process above a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.runtime.agent.serving.test_server import start, write_description


def test_a_crash_is_measured_by_whoever_watched(
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
