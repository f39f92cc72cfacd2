"""Connections of a server."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from tests.runtime.agent.serving.test_server import start


def test_connections_are_bounded(requantizing_model: Any, tmp_path: Path) -> None:
    one = start(tmp_path, requantizing_model, "--max-connections", "2")
    try:
        ask = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        held = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(2)]
        for link in held:
            link.sendall(ask)
            assert link.recv(4096).startswith(b"HTTP/1.1 200")
        refused = one.raw(b"")
        assert refused.startswith(b"HTTP/1.1 503") and b"Retry-After" in refused
        for link in held:
            link.sendall(ask)
            assert link.recv(4096).startswith(b"HTTP/1.1 200"), "these are served on"
            link.close()
    finally:
        one.process.terminate()
        assert one.process.wait(timeout=30) == 0
