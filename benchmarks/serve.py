"""Load that an image's server bears: `wrk` on loopback, while a second client misbehaves.

    edgekit package --docker build/raspberrypi --platform linux/amd64 --base debian
    python -m benchmarks.serve edgekit/digits:litert-amd64

Each row is 60 s of one number of connections that send as fast as they are answered. Meanwhile
malformed and oversized requests are sent, and the server's memory is read once a second. The
load, the server and other programs (see `load_average`) share the machine's cores. Needs
Docker, wrk and an image of this machine's architecture.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Screen

from benchmarks.results import Row, Table
from edgekit.errors import EdgeKitError
from edgekit.package.docker.engine import Engine

PORT = 18080
SECONDS = 60
CONNECTIONS = (1, 8, 32)
MEMORY = "256m"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{body}]]
"""


def main() -> None:
    console = Console()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    given = parser.parse_args()
    if not shutil.which("wrk"):
        console.print("Skipped: no wrk here (apt install wrk).")
        return
    try:
        engine = Engine.find()
    except EdgeKitError as error:
        console.print(f"Skipped: {error}")
        return
    table = Table("serve", ("image", "connections"), ())
    for connections in CONNECTIONS:
        if table.find(image=given.image, connections=connections):
            continue
        with server(engine, given.image) as at:
            row = measure(at, given.image, connections, given.seconds)
        table.add(row, summarize)
        console.print(
            f"{connections} connections: {row['requests_per_s']:.0f} requests/s"
        )
    show(list(table.rows.values()), console)


@contextmanager
def server(engine: Engine, image: str) -> Iterator[str]:
    """The address of a model served by a fresh container of `image`."""
    at = f"http://127.0.0.1:{PORT}"
    with engine.named() as name:
        engine.docker(
            *("run", "--detach", "--init", "--name", name, "--network", "host"),
            *("--memory", MEMORY, "--read-only", image),
            *("serve", "--host", "127.0.0.1", "--port", str(PORT)),
        )
        end = time.monotonic() + 60
        while status(f"{at}/v2/health/ready") != 200:
            if time.monotonic() > end:
                raise TimeoutError(engine.docker("logs", name))
            time.sleep(0.2)
        yield at
        state = json.loads(
            engine.docker("inspect", "--format", "{{json .State}}", name)
        )
        assert state["Running"] and not state["OOMKilled"], state


def measure(at: str, image: str, connections: int, seconds: int) -> Row:
    index = urllib.request.urlopen(f"{at}/metrics", timeout=10).read().decode()
    found = re.search(r'edgekit_model_info{name="([^"]+)",model="([^"]+)"', index)
    assert found, index
    infer = f"{at}/v2/models/{found.group(1)}/infer"
    stop = threading.Event()
    memory: list[float] = []
    answers: collections.Counter[str] = collections.Counter()
    helpers = [
        threading.Thread(target=watch, args=(at, memory, stop)),
        threading.Thread(target=misbehave, args=(infer, answers, stop)),
    ]
    for helper in helpers:
        helper.start()
    try:
        said = load(infer, body(at, found.group(1)), connections, seconds)
    finally:
        stop.set()
        for helper in helpers:
            helper.join()
    third = max(1, len(memory) // 3)
    return {
        "image": image,
        "model": found.group(2),
        "connections": connections,
        "seconds": seconds,
        "load_average": round(os.getloadavg()[0], 1),
        **parse(said),
        "memory_first_third_mb": round(statistics.median(memory[:third]), 2),
        "memory_last_third_mb": round(statistics.median(memory[-third:]), 2),
        "memory_max_mb": round(max(memory), 2),
        "misbehaved": dict(sorted(answers.items())),
    }


def body(at: str, name: str) -> str:
    """A request of zeros for the model's one input."""
    about = json.loads(urllib.request.urlopen(f"{at}/v2/models/{name}").read())
    [given] = about["inputs"]
    shape = [1, *given["shape"][1:]]
    count = 1
    for size in shape:
        count *= size
    tensor = {**given, "shape": shape, "data": [0.25] * count}
    return json.dumps({"inputs": [tensor]})


def load(url: str, content: str, connections: int, seconds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_SCRIPT.replace("{body}", content))
        command = [
            *("wrk", "--latency", "--threads", "1", "--timeout", "10s"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--script", str(script), url),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + 60
        )
    return done.stdout


def parse(said: str) -> Row:
    """wrk's own report as numbers; figures that it leaves out when they are zero are 0."""

    def percentile(fraction: int) -> float:
        found = re.search(
            rf"^\s+{fraction}%\s+([\d.]+)(us|ms|s|m)$", said, re.MULTILINE
        )
        assert found, said
        return round(float(found.group(1)) * _UNITS[found.group(2)], 3)

    total = re.search(r"(\d+) requests in", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    assert total and rate, said
    return {
        "requests": int(total.group(1)),
        "requests_per_s": float(rate.group(1)),
        "p50_ms": percentile(50),
        "p90_ms": percentile(90),
        "p99_ms": percentile(99),
        "not_200": int(refused.group(1)) if refused else 0,
        "socket_errors": sum(map(int, broken.groups())) if broken else 0,
    }


def watch(at: str, memory: list[float], stop: threading.Event) -> None:
    """The server's resident memory in MiB, once a second."""
    while not stop.wait(1.0):
        with urllib.request.urlopen(f"{at}/metrics", timeout=30) as reply:
            text = reply.read().decode()
        found = re.search(r"^process_resident_memory_bytes (\d+)$", text, re.MULTILINE)
        assert found, text
        memory.append(int(found.group(1)) / 2**20)


def misbehave(
    infer: str, answers: collections.Counter[str], stop: threading.Event
) -> None:
    wrong = {
        "malformed": b'{"inputs": [',
        "wrong tensor": b'{"inputs": [{"name": "x", "shape": [1], "data": ["a"]}]}',
        "oversized": b" " * (5 << 20),
    }
    while not stop.wait(0.3):
        for name, content in wrong.items():
            answers[f"{name}: {status(infer, content)}"] += 1


def status(url: str, content: bytes | None = None) -> int:
    """The status of the answer; 0 where there was none."""
    try:
        with urllib.request.urlopen(url, content, timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def summarize(rows: list[Row]) -> Mapping[str, Any]:
    return {
        "unanswered": sum(row["not_200"] + row["socket_errors"] for row in rows),
        "worst_memory_growth_mb": max(
            round(row["memory_last_third_mb"] - row["memory_first_third_mb"], 2)
            for row in rows
        ),
        "misbehaved_answers": sorted(
            {key for row in rows for key in row["misbehaved"]}
        ),
    }


def show(rows: list[Row], console: Console) -> None:
    screen = Screen(box=None)
    columns = (
        "image", "connections", "requests_per_s", "p50_ms", "p99_ms", "not_200",
        "memory_first_third_mb", "memory_last_third_mb", "memory_max_mb",
    )  # fmt: skip
    for column in columns:
        screen.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        screen.add_row(*(f"{row[column]}" for column in columns))
    console.print(screen)
    for row in rows:
        console.print(f"{row['connections']} connections: {row['misbehaved']}")


if __name__ == "__main__":
    main()
