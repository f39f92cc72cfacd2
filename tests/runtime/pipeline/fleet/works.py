"""Stand-ins of builds that workers of a cluster find by their names: each takes a moment."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.errors import LinkLost
from edgekit.pipeline.fleet.records import Done, Failure, FleetTask
from edgekit.progress import Progress
from tests.unit.pipeline.fleet.tasks import task as unit_task

MOMENT_S = 0.3


def tasks(folder: Path, *names: str, **more: float) -> list[FleetTask]:
    """Builds of these names, by which `work` does one thing or another."""
    return [replace(unit_task(name, **more), out=folder / name) for name in names]


def work(task: FleetTask, address: str, progress: Progress) -> Done:
    """Do as the task's name has it; each run is a line of the log of its device."""
    began, log = time.time(), task.out.parent / "uses.log"
    kind = task.name.partition("-")[0]
    progress.say(f"{task.name} begins")
    with progress.step("Distill") as step:
        step.update(1, 2)
        if kind == "dies" or (kind == "once" and _is_first(task)):
            os._exit(9)
        if kind == "raises":
            raise KeyError("a fault of ours")
        if kind == "waits" and _is_first(task):
            time.sleep(300)  # until its machine is lost
        time.sleep(MOMENT_S)
    with log.open("a") as stream:
        stream.write(f"{address} {began} {time.time()}\n")
    if kind == "unlinked" and address.endswith("1"):
        return Done(failure=Failure.of(LinkLost(f"{address} is away")))
    return Done(stages_run=1)


def uses(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """The times of use of each device, by its address, in order."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in (folder / "uses.log").read_text().splitlines():
        address, began, ended = line.split()
        found.setdefault(address, []).append((float(began), float(ended)))
    return {address: sorted(times) for address, times in found.items()}


def kill(node: Any) -> int:
    """Kill a node's own process; its workers end when they see that it has gone."""
    process = node.all_processes["raylet"][0].process
    process.kill()
    process.wait()  # until then it is there, for them
    return int(process.pid)


def _is_first(task: FleetTask) -> bool:
    mark = task.out.with_suffix(".began")
    first = not mark.exists()
    mark.touch()
    return first
