"""A training by `edgekit.distill` in two processes that loses one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.distill.test_processes import ENVIRONMENT

HALF = Path(__file__).with_name("half_of_training.py")
LIMIT_S = 300.0


@pytest.mark.slow
@pytest.mark.parametrize("lose", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_process_ends_the_other_with_one_error(lose: signal.Signals) -> None:
    """Killed, it closes its connections; stopped, it is silent as a machine that has gone."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    common = {
        **ENVIRONMENT,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "EDGEKIT_HEARTBEAT_TIMEOUT": "8",
    }
    halves = [
        subprocess.Popen(
            [sys.executable, str(HALF)],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        assert halves[0].stdout is not None
        assert halves[0].stdout.readline().startswith("epoch")
        halves[1].send_signal(lose)
        _, errors = halves[0].communicate(timeout=LIMIT_S)
    finally:
        for half in halves:
            half.kill()
    assert halves[0].returncode not in (0, -signal.SIGKILL), errors
    ours = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(ours) == 1, errors
    assert "Another process of this training was lost" in ours[0]
