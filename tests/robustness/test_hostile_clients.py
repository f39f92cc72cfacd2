"""The server in an image against clients that are slow, rude or many: real sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def strictly(text: bytes) -> object:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def health_s(served: Served) -> float:
    begin = time.monotonic()
    assert served.ask("/v2/health/live") == (200, {"live": True})
    return time.monotonic() - begin


SLOW = {
    "silent": b"",
    "head": b"POST /v2/mod",
    "body": HEAD + b"Content-Length: 1000\r\n\r\n{",
}


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
    assert answer.count(b"HTTP/1.1") == 1, "the rest is not a request"


def test_a_token_is_requested(tmp_path: Path) -> None:
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
