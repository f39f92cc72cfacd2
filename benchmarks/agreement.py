"""Our median latency against each runtime's own benchmark, on the same file in the same minutes.

    python -m benchmarks.agreement [--export-only]

ONNX Runtime's wheel does not carry `onnxruntime_perf_test`. Its loop is written out here:
inputs bound beforehand as there, and outputs too (that program made them again in each run in
some of its releases), so that both sides time the same thing. The usual call of a Python
program, `session.run(None, {...})`, wraps inputs and allocates outputs in every call; it is
timed beside it on the smallest network, where that weighs most. OpenVINO's is `benchmark_app
-api sync`; LiteRT's is `benchmark_litert_model`, which drives CompiledModel and prints
hundredths of a millisecond. Each round launches ours and theirs, in alternating order, in fresh
processes pinned to one processor, with real-time priority where that is allowed: what else the
machine does then waits. `ratio` is the median of ours over theirs, round by round; it should be
within 3 % of 1.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.results import Row, Table
from edgekit.agent import trace
from edgekit.agent.schema import SCHEMA
from edgekit.bench.artifact import artifact_at
from edgekit.devices.local import LocalDevice
from edgekit.export import export
from edgekit.store import Store
from edgekit.types import Artifact, RuntimeName
from tests.zoo.models import ZOO

NETWORKS = ("resnet20", "mobilenet_v2", "resnet18")
RUNTIMES: tuple[RuntimeName, ...] = ("litert", "onnxruntime", "openvino")
ROUNDS = 7
SECONDS = 1.0
ALLOWED = 0.03
PACKAGES = ("onnxruntime", "openvino", "ai-edge-litert", "numpy")

ORT_LOOP = """
import json, statistics, sys, time
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
random = np.random.default_rng(0)
binding = session.io_binding()
for node in session.get_inputs():
    shape = [d if isinstance(d, int) else 1 for d in node.shape]
    binding.bind_cpu_input(node.name, random.standard_normal(shape).astype(np.float32))
for node in session.get_outputs():
    binding.bind_output(node.name)
feeds = {node.name: random.standard_normal(
    [d if isinstance(d, int) else 1 for d in node.shape]).astype(np.float32)
    for node in session.get_inputs()}
bound = lambda: session.run_with_iobinding(binding)
plain = lambda: session.run(None, feeds)
run = {"bound": bound, "plain": plain}[sys.argv[3]]
run()
times, end = [], time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
print(statistics.median(times) * 1e3)
"""


def ours(artifact: Artifact) -> float:
    """Median milliseconds of one launch of the agent."""
    job = {
        "schema": SCHEMA,
        "kind": "bench",
        "runtime": artifact.runtime,
        "path": str(artifact.files[0]),
        "companions": [str(file) for file in artifact.files[1:]],
        "threads": 1,
        "warmup_min_s": 0.5,
        "min_s": SECONDS,
    }
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "python"
        words = shlex.join([*_first(), sys.executable])
        python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        python.chmod(0o755)
        result = LocalDevice(python=str(python)).run(job, timeout_s=120)
    return statistics.median(result["samples_ns"]) / 1e6


def theirs_onnxruntime(file: Path, expected_ms: float) -> float:
    return _ort_loop(file, "bound")


def theirs_session_run(file: Path, expected_ms: float) -> float:
    return _ort_loop(file, "plain")


def _ort_loop(file: Path, how: str) -> float:
    arguments = [str(file), str(SECONDS), how]
    return float(_said([sys.executable, "-c", ORT_LOOP, *arguments]))


def theirs_openvino(file: Path, expected_ms: float) -> float:
    app = Path(sys.executable).with_name("benchmark_app")
    said = _said(
        [
            *(str(app), "-m", str(file), "-d", "CPU", "-api", "sync", "-hint", "none"),
            *("-nstreams", "1", "-nthreads", "1", "-infer_precision", "f32"),
            *("-t", f"{SECONDS:.0f}"),
        ]
    )
    found = re.search(r"Median:\s+([\d.]+) (us|ms)", said)
    if not found:
        raise RuntimeError(f"benchmark_app printed no median: {said[-500:]}")
    return float(found.group(1)) / (1e3 if found.group(2) == "us" else 1)


def theirs_litert(file: Path, expected_ms: float) -> float:
    runs = max(20, int(SECONDS * 1e3 / expected_ms))
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        module = "ai_edge_litert.tools.benchmark_litert_model"
        _said(
            [
                *(sys.executable, "-m", module, f"--model={file}", "--num_threads=1"),
                *(f"--num_runs={runs}", f"--result_json={result}"),
            ]
        )
        latency = json.loads(result.read_text())["latency"]
    return float(latency["median_ms"])


class Peer(NamedTuple):
    name: str
    median_ms: Callable[[Path, float], float]


THEIRS: Mapping[RuntimeName, Peer] = {
    "onnxruntime": Peer("ONNX Runtime's own loop", theirs_onnxruntime),
    "openvino": Peer("benchmark_app", theirs_openvino),
    "litert": Peer("benchmark_litert_model", theirs_litert),
}
PLAIN = Peer("session.run", theirs_session_run)


def _said(command: list[str]) -> str:
    """Output of a peer, pinned as the agent pins itself."""
    cpus = trace.choose_cpus(1)
    pinned = ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
    done = subprocess.run(
        [*_first(), *pinned, *command],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"},
    )
    return done.stdout


@cache
def _first() -> tuple[str, ...]:
    """Prefix that runs a program before all others, where this user may."""
    command = ("chrt", "-f", "10")
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False)
    except OSError:
        return ()
    return command if allowed.returncode == 0 else ()


def compare(artifact: Artifact, peer: Peer) -> Row:
    """Rounds of ours and theirs in turns."""
    pairs: list[tuple[float, float]] = []
    expected = ours(artifact)
    for turn in range(ROUNDS):
        if turn % 2 == 0:
            mine = ours(artifact)
            other = peer.median_ms(artifact.files[0], expected)
        else:
            other = peer.median_ms(artifact.files[0], expected)
            mine = ours(artifact)
        pairs.append((mine, other))
    ratios = [mine / other for mine, other in pairs]
    ratio = statistics.median(ratios)
    return {
        "rounds": ROUNDS,
        "real_time": bool(_first()),
        "ours_p50_ms": statistics.median(mine for mine, _ in pairs),
        "peer_p50_ms": statistics.median(other for _, other in pairs),
        "ratio": ratio,
        "ratios": ratios,
        "within_3_percent": abs(ratio - 1) <= ALLOWED,
    }


def summarize(rows: list[Row]) -> dict[str, Any]:
    return {
        "pairs": len(rows),
        "within_3_percent": sum(row["within_3_percent"] for row in rows),
        "worst": max(abs(row["ratio"] - 1) for row in rows),
    }


def exported(network: str) -> list[Artifact]:
    """The network for each runtime, exported once and kept in the cache."""
    made = []
    for runtime in RUNTIMES:
        folder = Store().root / "agreement" / f"{network}-{runtime}"
        kept = [f for f in folder.glob("*") if f.suffix in (".tflite", ".onnx", ".xml")]
        if kept:
            made.append(artifact_at(kept[0]))
            continue
        made.append(
            export(
                ZOO[network].program(),
                runtime=runtime,
                precision="fp32",
                calibration=None,
                folder=folder,
                name=network,
            )
        )
    return made


def main() -> None:
    table = Table("agreement", ("network", "runtime", "peer"), PACKAGES)
    for network in NETWORKS:
        for artifact in exported(network):
            peers = [THEIRS[artifact.runtime]]
            if network == NETWORKS[0] and artifact.runtime == "onnxruntime":
                peers.append(PLAIN)
            for peer in peers:
                key = {
                    "network": network,
                    "runtime": artifact.runtime,
                    "peer": peer.name,
                }
                if "--export-only" in sys.argv or table.find(**key):
                    continue
                row = {**key, **compare(artifact, peer)}
                table.add(row, summarize)
                print(
                    f"{network} {artifact.runtime}: ours {row['ours_p50_ms']:.3f} ms, "
                    f"{peer.name} {row['peer_p50_ms']:.3f} ms, ratio {row['ratio']:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
