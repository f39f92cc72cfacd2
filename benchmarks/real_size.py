"""Time and memory of builds at the sizes that people deploy, stage by stage.

    python -m benchmarks.real_size [--only NETWORK] [--before 593ead6]

Each network is built from an empty cache for a Raspberry Pi 4 as a process of its own, ResNet-50
planned only. `seconds` and `peak_mib` are a stage's as the build shows it; `share` is of the whole.
Memory is the sum of proportional set sizes of the process and all it started, looked at once a
second. The older commit's row is the whole build alone. Writes
`benchmarks/results/real_size.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks import real_size_networks
from benchmarks.contract import tree_of
from benchmarks.real_size_networks import NETWORKS, Network
from benchmarks.results import Row, Table
from edgekit.progress import Silent, Step

TARGET = "raspberrypi4"
WHOLE = "whole"
EVERY_S = 1.0
ROOT = Path(__file__).resolve().parents[1]


class Stages(Silent):
    """Notes when each stage began and ended, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.found: list[tuple[str, float, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        began = time.monotonic()
        try:
            yield self
        finally:
            self.found.append((title, began, time.monotonic()))


def build(project: Path, out: Path, stages_path: Path, *, planned: bool) -> None:
    """Build or plan, and write when each stage began and ended."""
    from edgekit.api.environment import attached_environment
    from edgekit.commands.build import read_request
    from edgekit.errors import BudgetMissed
    from edgekit.pipeline import build as builds
    from edgekit.pipeline.preview import Previewer

    stages = Stages()
    request = read_request(project, TARGET, stages)
    with attached_environment(request, device="local", progress=stages) as env:
        if planned:
            Previewer().preview(request, env)
        else:
            with suppress(BudgetMissed):  # the last layer is fitted, not the network
                builds.build(request, env, out)
    stages_path.write_text(json.dumps(stages.found))


def watched(
    command: Sequence[str], environment: dict[str, str], place: Path
) -> tuple[float, list[tuple[float, float]], int]:
    """Seconds of a command, the memory (monotonic seconds, MiB) as it ran, and its exit code."""
    memory: list[tuple[float, float]] = []
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, cwd=place)
    while process.poll() is None:
        memory.append((time.monotonic(), _mib(psutil.Process(process.pid))))
        with suppress(subprocess.TimeoutExpired):
            process.wait(EVERY_S)
    return time.monotonic() - began, memory, process.returncode


def _mib(root: psutil.Process) -> float:
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += one.memory_full_info().pss
    return total / 2**20


def rows(network: Network, commit: str, tree: Path, work: Path) -> Iterator[Row]:
    """A row a stage, and that of the whole."""
    project, cache, out = (work / name for name in ("project", "cache", "out"))
    for place in (project, cache, out):
        shutil.rmtree(place, ignore_errors=True)
    real_size_networks.write(network, project)
    environment = {
        **os.environ,
        "EDGEKIT_CACHE": str(cache),
        "PYTHONPATH": f"{tree}{os.pathsep}{ROOT}",
    }
    stages_path = work / "stages.json"
    stages_path.unlink(missing_ok=True)
    if commit == "present":
        words = ["-m", "benchmarks.real_size", "--build", str(project)]
        words += ["--planned"] if network.planned else []
    else:
        words = ["-m", "edgekit", "build", "-p", str(project), "-t", TARGET]
        words += ["-o", str(out), "--quiet"]
    seconds, memory, code = watched([sys.executable, *words], environment, work)
    if code not in (0, 1):  # 1: a budget was missed
        sys.exit(f"{network.name} at {commit} ended with {code}")
    peak = max(mib for _, mib in memory)
    key = {"commit": commit, "network": network.name}
    yield {
        **key,
        "stage": WHOLE,
        "seconds": round(seconds, 1),
        "peak_mib": round(peak),
        "share": 1.0,
    }
    if not stages_path.is_file():
        return
    merged: dict[str, tuple[float, float]] = {}
    for title, began, ended in json.loads(stages_path.read_text()):
        most = max((mib for at, mib in memory if began <= at <= ended), default=0.0)
        took, before = merged.get(title, (0.0, 0.0))
        merged[title] = (took + ended - began, max(before, most))
    for title, (took, most) in merged.items():
        yield {
            **key,
            "stage": title,
            "seconds": round(took, 1),
            "peak_mib": round(most) if most else None,
            "share": round(took / seconds, 3),
        }


def summary(found: list[Row]) -> Row:
    """Whole builds: the speed-up over the older commit, and the most memory now."""
    whole = {
        (row["commit"], row["network"]): row for row in found if row["stage"] == WHOLE
    }
    now = whole.get(("present", "mobilenetv2_100"))
    before = [row for (commit, _), row in whole.items() if commit != "present"]
    return {
        "mobilenetv2_speedup_of_build": round(before[0]["seconds"] / now["seconds"], 2)
        if before and now
        else None,
        "peak_mib": max(
            (
                row["peak_mib"]
                for (commit, _), row in whole.items()
                if commit == "present"
            ),
            default=None,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[one.name for one in NETWORKS])
    parser.add_argument("--before", metavar="COMMIT", help="an older commit alone")
    parser.add_argument("--work", type=Path, default=ROOT / "build/real-size")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--planned", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if arguments.build:
        place = arguments.build.parent
        stages = place / "stages.json"
        build(arguments.build, place / "out", stages, planned=arguments.planned)
        return
    keys = ("commit", "network", "stage")
    table = Table("real_size", keys, ("torch", "timm", "ai-edge-litert", "onnxruntime"))
    commit = arguments.before or "present"
    with tree_of(commit) as tree:
        for network in NETWORKS:
            if arguments.only not in (None, network.name):
                continue
            if commit != "present" and not network.before:
                continue
            for row in rows(network, commit, tree, work):
                table.add(row, summary)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
