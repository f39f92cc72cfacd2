"""Files of the networks of `benchmarks/latency_frontier.py`, their accuracy, and their timing.

All networks get the files that compete in a build, by the same quantizers and the same search for
layers to leave in float. All files of one network and runtime are timed in one process, where they
take turns round by round; launches are repeated, in the reverse order every other time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.frontier_edgekit import Bench
from benchmarks.priority import first
from edgekit.agent.schema import SCHEMA
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer_all
from edgekit.pipeline import variants
from edgekit.pipeline.runners import ExportRunner
from edgekit.program.program import Program
from edgekit.types import RuntimeName

LAUNCHES = 5
ROUNDS = 9
MIN_ROUND_MS = 6.0


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a network, on its runtime."""

    precision: str
    """With the quantizer's configuration: `fp32`, `int8`, `int8-mixed`."""
    path: str
    metric: str
    accuracy: float


def export_files(bench: Bench, program: Program, folder: Path) -> list[File]:
    """Every form of a network that competes on the bench's runtime, judged on test samples."""
    request, env, loaded = bench.request, bench.env, bench.loaded
    samples, project = loaded.samples, request.project
    requested = variants.requested(
        program, request.target.runtimes, env.observed(request.target), None
    )
    exporter = ExportRunner(target=request.target.name, progress=env.progress)
    made = exporter.export(
        program,
        requested,
        folder,
        title="Export",
        calibration=samples.calibration,
        labels=samples.labels,
        validation=variants.validation(project, samples, program.reads),
    )
    found = []
    for artifact in made:
        outputs = infer_all(artifact, samples.test, env.device, program.reads)
        judged = loaded.metric(outputs, samples.test.targets)
        found.append(
            File(
                precision=artifact.name.removeprefix(f"{artifact.runtime}-"),
                path=str(artifact.files[0]),
                metric=judged.metric,
                accuracy=judged.value,
            )
        )
    return found


def time_files(
    paths: Sequence[str], runtime: RuntimeName, launches: int = LAUNCHES
) -> Mapping[str, list[float]]:
    """Microseconds of each file, one a launch; of files that do not run there are none."""
    device = LocalDevice()
    found: dict[str, list[float]] = {path: [] for path in paths}
    for turn in range(launches):
        order = list(paths) if turn % 2 == 0 else list(paths)[::-1]
        job = {
            "schema": SCHEMA,
            "kind": "microbenchmark",
            "runtime": runtime,
            "threads": 1,
            "models": order,
            "rounds": ROUNDS,
            "min_round_ms": MIN_ROUND_MS,
            "seed": turn,
        }
        with first():
            rows: list[Any] = device.run(job, timeout_s=1800)["results"]
        for path, row in zip(order, rows, strict=True):
            if row["us"] is None:
                print(f"{path}: {row['error']}", flush=True)
                continue
            found[path].append(float(row["us"]))
    return {path: us for path, us in found.items() if len(us) == launches}
