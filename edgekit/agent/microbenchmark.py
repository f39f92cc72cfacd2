"""Many one-operator models in one process: what each operator costs at each width.

All are loaded before the first is timed, so that no loading falls between two timings. Every
round gives each model its turn, in alternating order, so that a slow spell of the machine hits all
alike. A model's figure is the smallest of its rounds' medians: noise only ever adds.

Each model is loaded several times, and its rounds take turns over these sessions: where a session's
buffers and weights lie to each other modulo the page size is chance, stays for its life, and was
seen to cost a small convolution 45 % in one session of five. The smallest median is then of a
lucky session for nearly every model, which makes widths comparable.

Under an emulator that counts, the clock is the number of instructions executed. Where a meter is
asked for, each model is looped once more while it counts (`metered.py`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from . import instructions, machine, runtimes
from .errors import JOB_INVALID, AgentError
from .metered import meter
from .schema import MicrobenchmarkJob, MicrobenchmarkResult, MicrobenchmarkRow
from .session import Session, draw

_WARMUP_RUNS = 3
Clock = Callable[[], int]


def microbenchmark(job: MicrobenchmarkJob) -> MicrobenchmarkResult:
    """Time, count or meter the job's models in interleaved rounds; raises `AgentError`."""
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    threads = job.get("threads", 1)
    counted = _counted(job)
    clock = instructions.counter() if counted else time.perf_counter_ns
    found: list[list[float]] = [[] for _ in job["models"]]
    errors: dict[int, str] = {}
    sessions: dict[int, list[Session]] = {}
    for number, path in enumerate(job["models"]):
        try:
            sessions[number] = [
                _ready(runtime, path, threads, options, job)
                for _ in range(job.get("sessions", 3))
            ]
        except AgentError as error:
            errors[number] = error.message
    began_s, worked_s = time.perf_counter(), time.process_time()
    for turn in range(job.get("rounds", 6)):
        order = sorted(sessions, reverse=bool(turn % 2))
        for number in order:
            session = sessions[number][turn % len(sessions[number])]
            try:
                ticks = _round(session, job, clock, timed=not counted)
                found[number].append(ticks if counted else ticks / 1e3)
            except AgentError as error:
                errors[number] = error.message
                del sessions[number]
    wall_s = time.perf_counter() - began_s
    worked_s = time.process_time() - worked_s
    result: MicrobenchmarkResult = {
        "schema": job["schema"],
        "kind": "microbenchmark",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "threads": threads,
        "results": [
            _row(path, found[number], errors.get(number), counted)
            for number, path in enumerate(job["models"])
        ],
        "processor_fraction": worked_s / wall_s if wall_s > 0 else None,
        "meter": None,
        "reason": "Energy was not asked for.",
        "machine": machine.facts(),
    }
    if job.get("meter", "none") != "none":
        meter(job, {number: own[0] for number, own in sessions.items()}, result)
    return result


def _counted(job: MicrobenchmarkJob) -> bool:
    unit = job.get("unit", "us")
    if unit not in ("us", "instructions"):
        raise AgentError(
            JOB_INVALID, f"No unit {unit!r} of cost. Known: us, instructions."
        )
    return unit == "instructions"


def _row(
    path: str, rounds: list[float], error: str | None, counted: bool
) -> MicrobenchmarkRow:
    cost = None if error else min(rounds, default=None)
    return {
        "path": path,
        "us": None if counted else cost,
        "rounds_us": [] if counted else rounds,
        "instructions": cost if counted else None,
        "rounds_instructions": rounds if counted else [],
        "windows": [],
        "error": error,
    }


def _ready(
    runtime: runtimes.Runtime,
    path: str,
    threads: int,
    options: Any,
    job: MicrobenchmarkJob,
) -> Session:
    session = runtimes.open_model(runtime, path, threads, options)
    session.prepare(draw(session.inputs, job.get("seed", 0)))
    for _ in range(_WARMUP_RUNS):
        session.invoke()
    return session


def _round(
    session: Session, job: MicrobenchmarkJob, clock: Clock, *, timed: bool
) -> float:
    """The median of one round in ticks of the clock."""
    invoke = session.invoke
    min_runs = job.get("min_round_runs", 5)
    invoke()  # the models before it have emptied the caches
    ticks: list[int] = []
    end = clock() + int(job.get("min_round_ms", 5.0) * 1e6) if timed else 0
    while len(ticks) < min_runs or (timed and clock() < end):
        start = clock()
        invoke()
        ticks.append(clock() - start)
    return statistics.median(ticks)
