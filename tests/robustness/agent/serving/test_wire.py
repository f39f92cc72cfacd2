"""Clients that do not read, or reset."""

from __future__ import annotations

import json
import socket
import threading
import time

import numpy as np
import pytest

from tests.robustness.test_hostile_clients import HEAD, health_s
from tests.runtime.agent.serving.test_server import Served, request


def test_whoever_does_not_read_the_answer_is_left(served: Served) -> None:
    """Many answers asked for at once and none read: the connection ends, the server lives."""
    body = json.dumps(request([1] * 4 * 64, shape=(64, 4))).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    link.connect(("127.0.0.1", served.port))
    link.settimeout(1)
    ended = threading.Event()

    def ask() -> None:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                link.sendall(whole)
            except TimeoutError:
                continue
            except OSError:
                ended.set()
                return

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    link.close()
    assert ended.is_set()
    assert health_s(served) < 2


def test_a_body_with_get_is_not_a_next_request(served: Served) -> None:
    hidden = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    answer = served.raw(head + hidden)
    assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "text", [b"", b"GE", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"]
)
def test_a_peer_that_resets_is_nobodys_error(served: Served, text: bytes) -> None:
    for _ in range(5):
        link = socket.create_connection(("127.0.0.1", served.port))
        link.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, np.array([1, 0], np.int32).tobytes()
        )
        link.sendall(text)
        link.close()
    assert health_s(served) < 2
