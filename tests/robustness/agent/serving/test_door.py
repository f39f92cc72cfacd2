"""Clients that send slowly."""

from __future__ import annotations

import socket
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.robustness.test_hostile_clients import HEAD, INFER, SLOW, health_s, serving
from tests.runtime.agent.serving.test_server import Served, request


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_shut_nobody_out(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path, "--max-seconds", "30") as one, ExitStack() as opened:
        for _ in range(200):
            link = socket.create_connection(("127.0.0.1", one.port), timeout=30)
            opened.callback(link.close)
            link.sendall(SLOW[kind])
        assert max(health_s(one) for _ in range(5)) < 2
        end = time.monotonic() + 10
        while (said := one.ask(INFER, request([1] * 4)))[0] == 503:
            assert time.monotonic() < end, said
            time.sleep(0.1)
        assert said[0] == 200


def test_a_byte_now_and_then_does_not_hold_a_connection(served: Served) -> None:
    """Two seconds in all, though no pause is longer than half of one."""
    for sent in (b"GET /v2 HT", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", served.port), timeout=0.5) as link:
            link.sendall(sent)
            while time.monotonic() - begin < 10:
                try:
                    if not link.recv(4096).startswith(b"HTTP/1.1 408"):
                        break
                    link.sendall(b"x")
                except TimeoutError:
                    link.sendall(b"x")
                except OSError:
                    break
        assert 1 < time.monotonic() - begin < 7


def test_metrics_go_on(served: Served) -> None:
    with urllib.request.urlopen(f"{served.at}/metrics", timeout=30) as reply:
        assert b'status="408"' in reply.read()
