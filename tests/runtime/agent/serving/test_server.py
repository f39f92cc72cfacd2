"""The server in an image: the protocol, its limits, and what it refuses."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]


def write_description(folder: Path, model: Any) -> dict[str, str]:
    """Description of a bundle in an image, and the environment that names it."""
    description = {
        "schema": 2,
        "name": "tiny",
        "target": "host",
        "runtime": model.runtime,
        "threads": 1,
        "default": "one",
        "models": {"one": {"files": [model.path.name], "precision": None}},
        "preprocessing": {
            "scale": 1.0,
            "mean": [0.0],
            "std": [1.0],
            "resize": "nearest",
            "fit": getattr(model, "fit", "stretch"),
        },
        "labels": ["a", "b", "c", "d"],
        "reads": getattr(model, "reads", []),
        "text": getattr(model, "text", None),
        "decoder": getattr(model, "decoder", None),
        "decoder_code": getattr(model, "decoder_code", None),
        "versions": {"edgekit": "0"},
    }
    (folder / "image.json").write_text(json.dumps(description))
    return {**os.environ, "EDGEKIT_BUNDLE": str(folder), "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, kw_only=True)
class Served:
    at: str
    port: int
    process: subprocess.Popen[str]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = (
            body
            if body is None or isinstance(body, bytes)
            else json.dumps(body).encode()
        )
        try:
            with urllib.request.urlopen(f"{self.at}{path}", data, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def raw(self, text: bytes, half_close: bool = False) -> bytes:
        """Response of the server to these bytes until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as link:
            link.sendall(text)
            if half_close:
                link.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := link.recv(1 << 16):
                answer += chunk
            return answer


def start(folder: Path, model: Any, *more: str) -> Served:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "edgekit.agent.serving.main", "serve"),
            *("--host", "127.0.0.1", "--port", "0", *more),
        ],
        env=write_description(folder, model),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"(http://127.0.0.1:(\d+))/v2", line):
            port = int(found.group(2))
            return Served(at=found.group(1), port=port, process=process)
    raise AssertionError("the server ended before it listened")


def request(data: Any, datatype: str = "FP32", shape: Any = (1, 4)) -> dict[str, Any]:
    tensor = {"name": "x", "shape": list(shape), "datatype": datatype, "data": data}
    return {"id": "7", "inputs": [tensor]}


INFER = "/v2/models/tiny/infer"


def test_health_and_metadata(served: Served) -> None:
    assert served.ask("/v2/health/live") == (200, {"live": True})
    assert served.ask("/v2/health/ready") == (200, {"ready": True})
    assert served.ask("/v2/models/tiny/ready")[1] == {"name": "tiny", "ready": True}
    assert served.ask("/v2")[1]["name"] == "edgekit"
    status, about = served.ask("/v2/models/tiny/versions/1")
    assert status == 200
    [given] = about["inputs"]
    assert (given["name"], given["datatype"], given["shape"]) == ("x", "INT8", [-1, 4])
    assert given["parameters"] == {"scale": 0.5, "zero_point": 3}
    assert about["parameters"]["labels"] == ["a", "b", "c", "d"]


def test_a_batch_is_inferred_one_by_one(served: Served) -> None:
    values = [[float(n)] * 4 for n in range(3)]
    status, reply = served.ask(INFER, request(values, shape=(3, 4)))
    assert status == 200 and reply["outputs"][0]["shape"] == [3, 4]
    assert reply["outputs"][0]["data"][::4] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 30000, "not JSON"),
        (b"[]", "must be a JSON object"),
        ({}, "'inputs' must be a list"),
        ({"inputs": [3]}, "an object with a 'name'"),
        ({"inputs": [{"name": "y"}]}, "input 'x' is missing"),
        ({**request([0] * 4), "id": 7}, "'id' must be a string"),
        (request([0] * 4, shape=(1, 5)), "needs the shape"),
        (request([0] * 4, shape=(True, 4)), "needs the shape"),
        (request([0] * 4, shape=(-1, 4)), "needs the shape"),
        (request([0] * 3), "holds 3 numbers; its shape needs 4"),
        (request([[0, 0], [0]]), "not a regular array"),
        (request(["1"] * 4), "must be a list of numbers"),
        (request([None] * 4), "must be a list of numbers"),
        (request([10**400] + [0] * 3), "must be a list of numbers"),
        (b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", '
         b'"data": [1e999, 0, 0, 0]}]}', "not finite"),
        (b'{"inputs": [{"name": "x", "data": [NaN]}]}', "NaN is not a JSON number"),
        (request([0] * 4, "BYTES"), "has the datatype INT8 (or FP32)"),
        (request([0.5] * 4, "INT8"), "whole numbers from -128 to 127"),
        (request([200] * 4, "INT8"), "whole numbers from -128 to 127"),
        (request([0] * 260, shape=(65, 4)), "over the limit of 64"),
        ({**request([0] * 4), "outputs": [{"name": "z"}]}, "no output 'z'"),
        ({"inputs": [*request([0] * 4)["inputs"]] * 2}, "given twice"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_400_and_states_why(
    served: Served, body: Any, words: str
) -> None:
    status, reply = served.ask(INFER, body)
    assert status == 400
    assert words in reply["error"]
    assert served.ask(INFER, request([0] * 4))[0] == 200, "the next one is answered"


def test_what_is_not_there_is_404_and_the_wrong_method_405(served: Served) -> None:
    assert served.ask("/v2/models/other")[0] == 404
    assert served.ask("/v2/models/tiny/versions/2")[0] == 404
    assert served.ask("/etc/passwd")[0] == 404
    assert served.ask(INFER)[0] == 405
    assert served.ask("/v2/models/tiny", b"{}")[0] == 405
    assert served.raw(b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 501")


def test_an_oversized_body_is_413_before_it_is_read(served: Served) -> None:
    status, reply = served.ask(INFER, b" " * 70000)
    assert status == 413 and "over the limit of 65536" in reply["error"]
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()
    huge = head + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"
    assert served.raw(huge, half_close=True).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", 411),
        (b"Transfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: x\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n", 400),
        (b"Content-Length: 9\r\n", 400),
        (b"X: " + b"y" * 70000 + b"\r\n", 431),
        (b"X: y\r\n" * 200, 431),
    ],
)
def test_broken_framing_is_4xx_and_closes(
    served: Served, headers: bytes, status: int
) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\n".encode()
    answer = served.raw(head + headers + b"\r\n{}", half_close=True)
    assert answer.startswith(f"HTTP/1.1 {status}".encode()), answer[:200]
    assert served.ask("/v2/health/live")[0] == 200


def test_garbage_is_refused(served: Served) -> None:
    assert b"400" in served.raw(b"\x16\x03\x01 hello\r\n\r\n")[:40]
    assert b"414" in served.raw(b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n")[:40]


def metrics(served: Served) -> dict[str, float]:
    with urllib.request.urlopen(f"{served.at}/metrics", timeout=30) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = reply.read().decode().splitlines()
    pattern = re.compile(r'(# .*)|(\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e+-]+)')
    assert all(pattern.fullmatch(line) for line in lines)
    samples = (line.rpartition(" ") for line in lines if line[0] != "#")
    return {name: float(value) for name, _, value in samples}


def test_many_at_once_get_their_own_answers(served: Served) -> None:
    def one(number: int) -> bool:
        value = (number % 60) / 2
        _, reply = served.ask(INFER, request([value] * 4))
        return bool(reply["outputs"][0]["data"] == [min(value, 33.0)] * 4)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(200)))


def test_a_taken_port_is_one_line(
    served: Served, requantizing_model: Any, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "edgekit.agent.serving.main", "serve"),
            *("--host", "127.0.0.1", "--port", str(served.port)),
        ],
        env=write_description(tmp_path, requantizing_model),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert "Cannot listen on 127.0.0.1" in last and "in use" in last
