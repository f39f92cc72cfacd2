"""Error rate of the paired verdict, on a machine that is busy with something else.

    python -m benchmarks.false_alarms

Two processes burn a processor each for random spells all the while. `same`: 100 comparisons of a
file with itself; `fail` is a false alarm, at most 5 are allowed. `slower`: the file against the
same network with 10 % more to compute; `pass` would be a miss. Each comparison is one call of
`edgekit.bench.paired.compare` as a user makes it, with shorter launches. The naive rule beside it
(one launch each, fails where the median is 5 % higher) is what such tools mostly do.
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.results import Row, Table
from edgekit.bench import paired
from edgekit.bench.artifact import artifact_at
from edgekit.bench.tiers import Tier
from edgekit.devices.local import LocalDevice
from edgekit.types import Artifact

COMPARISONS: Mapping[str, int] = {"same": 100, "slower": 30}
LAYERS = 20
EXTRA = 0.10
NAIVE = 1.05
BRIEF = Tier(
    name="brief",
    launches=paired.FIRST_PAIRS,
    warmup_min_s=0.05,
    warmup_max_s=0.2,
    min_s=0.1,
    max_s=2.0,
    cooldown_s=0.0,
)
LOAD = """
import os, random, sys, time
random.seed(int(sys.argv[1]))
while os.getppid() == int(sys.argv[2]):
    end = time.perf_counter() + random.expovariate(2.0)
    while time.perf_counter() < end:
        sum(range(1000))
    time.sleep(random.expovariate(1.0))
"""
PACKAGES = ("onnxruntime", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class Remembering(LocalDevice):
    """This machine, keeping each launch's median."""

    medians: list[float] = field(default_factory=list)

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        result = super().run(job, timeout_s=timeout_s)
        self.medians.append(statistics.median(result["samples_ns"]))
        return result


def network(path: Path, layers: int) -> Path:
    """A chain of equal matrix products: as many times the work as it has layers."""
    weight = (
        np.random.default_rng(0).standard_normal((128, 128)).astype(np.float32) / 11
    )
    names = ["x", *(f"h{i}" for i in range(1, layers)), "y"]
    nodes = [
        helper.make_node("MatMul", [names[i], "w"], [names[i + 1]])
        for i in range(layers)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [16, 128])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        nodes, "chain", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")]
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@contextlib.contextmanager
def load(script: str = LOAD, count: int | None = None) -> Iterator[None]:
    """The neighbors: one for each processor, busy a third of the time by default."""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(seed), str(os.getpid())])
        for seed in range(count or os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for one in processes:
            one.kill()
            one.wait()


def once(new: Artifact, old: Artifact) -> Row:
    device = Remembering()
    start = time.perf_counter()
    found = paired.compare((new, old), device, tier=BRIEF, threads=1)
    naive = device.medians[0] / device.medians[1]
    return {
        "verdict": found.verdict,
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "pairs": found.pairs,
        "naive_ratio": naive,
        "naive_alarm": naive > NAIVE,
        "seconds": time.perf_counter() - start,
    }


def summarize(rows: list[Row]) -> dict[str, Any]:
    return {
        kind: _rates([row for row in rows if row["kind"] == kind])
        for kind in COMPARISONS
        if any(row["kind"] == kind for row in rows)
    }


def _rates(rows: Sequence[Row]) -> Row:
    count = len(rows)
    rates = {
        verdict: sum(row["verdict"] == verdict for row in rows) / count
        for verdict in ("pass", "fail", "inconclusive")
    }
    return {
        "comparisons": count,
        **rates,
        "naive_alarm": sum(row["naive_alarm"] for row in rows) / count,
        "median_ratio": statistics.median(row["ratio"] for row in rows),
        "needed_all_pairs": sum(row["pairs"] > paired.FIRST_PAIRS for row in rows)
        / count,
    }


def main() -> None:
    table = Table("false_alarms", ("kind", "number"), PACKAGES)
    expected = [
        (kind, number)
        for kind, count in COMPARISONS.items()
        for number in range(count)
        if not table.find(kind=kind, number=number)
    ]
    random.Random(0).shuffle(expected)
    with tempfile.TemporaryDirectory() as folder, load():
        old = artifact_at(network(Path(folder) / "old.onnx", LAYERS))
        same = artifact_at(network(Path(folder) / "same.onnx", LAYERS))
        more = round(LAYERS * (1 + EXTRA))
        slower = artifact_at(network(Path(folder) / "slower.onnx", more))
        for done, (kind, number) in enumerate(expected, 1):
            row = once(same if kind == "same" else slower, old)
            table.add({"kind": kind, "number": number, **row}, summarize)
            print(
                f"{done}/{len(expected)} {kind}: {row['verdict']} {row['ratio']:.3f} "
                f"({row['pairs']} pairs, {row['seconds']:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
