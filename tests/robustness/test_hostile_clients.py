"""The server in an image against clients that are slow, rude or many: real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.runtime.agent.serving.test_server import Served, request, start
from tests.runtime.conftest import TinyModel

INFER = "/v2/models/tiny/infer"
HEAD = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()


def write_reciprocal(path: Path) -> TinyModel:
    """1 / x: finite inputs, infinite at 0."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph(
        [helper.make_node("Reciprocal", ["x"], ["y"])], "g", [x], [y]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, str(path))
    return TinyModel(
        runtime="onnxruntime", path=path, reference=lambda x: 1 / x, input_shape=(4,)
    )


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Served]:
    one = start(folder, write_reciprocal(folder / "one.onnx"), *more)
    try:
        yield one
    finally:
        one.process.terminate()
        said = one.process.communicate(timeout=30)[1]
        assert one.process.returncode == 0
        assert "Traceback" not in said and "internal" not in said, said


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("reciprocal"), "--max-seconds", "2") as one:
        yield one


def strictly(text: bytes) -> object:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ([1, 2, 4, 8], 200, '"data": [1.0, 0.5, 0.25, 0.125]'),
        ([0, 1, 1, 1], 500, "output_not_finite"),
        ([1e-45, 1, 1, 1], 500, "output_not_finite"),
        ([1e39, 1, 1, 1], 400, "not finite in float32"),
        ([-3.5e38, 1, 1, 1], 400, "not finite in float32"),
        ([True, 1, 1, 1], 400, "list of numbers"),
        ([[1.0, False, 1, 1]], 400, "list of numbers"),
        (["1", 1, 1, 1], 400, "list of numbers"),
        ([10**30, 1, 1, 1], 400, "list of numbers"),
        ([[1], [1], [1], [1]], 400, "nested as"),
        ([[[[1, 1, 1, 1]]]], 400, "nested as"),
        ({"0": 1}, 400, "list of numbers"),
        (1.5, 400, "list of numbers"),
    ],
)
def test_answers_are_json_and_numbers_are_checked_in_their_own_type(
    served: Served, data: object, status: int, words: str
) -> None:
    body = json.dumps(request(data)).encode()
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    head, _, text = served.raw(HEAD + length + body).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status), (head, text)
    strictly(text)
    assert words in text.decode()


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_in_json_is_refused(served: Served, literal: str) -> None:
    body = json.dumps(request([7, 1, 1, 1])).replace("7", literal, 2)
    assert served.ask(INFER, body.encode())[0] == 400


def health_s(served: Served) -> float:
    begin = time.monotonic()
    assert served.ask("/v2/health/live") == (200, {"live": True})
    return time.monotonic() - begin


SLOW = {
    "silent": b"",
    "head": b"POST /v2/mod",
    "body": HEAD + b"Content-Length: 1000\r\n\r\n{",
}


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


@pytest.mark.parametrize(
    "text",
    [
        b"GET /v2 HTTP/1.1\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    ],
)
def test_what_two_servers_may_read_differently_is_refused(
    served: Served, text: bytes
) -> None:
    answer = served.raw(text + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 411"), answer[:200]
    assert answer.count(b"HTTP/1.1") == 1, "what follows is no request"


def test_a_body_with_get_is_no_next_request(served: Served) -> None:
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


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    with serving(tmp_path, "--token-file", str(file)) as one:
        assert one.ask("/v2/health/ready")[0] == 200
        for path in ("/v2", "/metrics"):
            assert one.ask(path)[0] == 401
        assert one.ask(INFER, request([1] * 4))[0] == 401
        for sent, status in (("Bearer s3cret", 200), ("Bearer s3cre", 401), ("", 401)):
            asked = f"GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: {sent}\r\n"
            answer = one.raw(asked.encode() + b"Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 %d" % status), answer


def test_an_empty_token_is_refused_and_the_default_is_this_machine_alone(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "edgekit.agent.serving.main", "serve"]
    plain = {k: v for k, v in os.environ.items() if k != "EDGEKIT_HOST"}
    done = subprocess.run(
        command,
        env={**plain, "EDGEKIT_TOKEN": "", "EDGEKIT_BUNDLE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2 and "EDGEKIT_TOKEN" in done.stderr
    from edgekit.agent.serving.main import _parser

    assert _parser().parse_args(["serve"]).host == "127.0.0.1"


def test_metrics_go_on(served: Served) -> None:
    with urllib.request.urlopen(f"{served.at}/metrics", timeout=30) as reply:
        assert b'status="408"' in reply.read()
