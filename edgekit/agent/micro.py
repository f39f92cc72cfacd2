"""Many one-operator models in one process: what each operator costs at each width.

All are loaded before the first is timed, so that no loading falls between two timings. Every
round gives each model its turn, in alternating order, so that a slow spell of the machine hits all
alike. A model's figure is the smallest of its rounds' medians: noise only ever adds.

Each model is loaded several times, and its rounds take turns over these sessions: where a session's
buffers and weights lie to each other modulo the page size is chance, stays for its life, and was
seen to cost a small convolution 45 % in one session of five. The smallest median is then of a
lucky session for nearly every model, which makes widths comparable.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from . import machine, runtimes
from .errors import AgentError
from .schema import MicroJob, MicroResult, MicroRow
from .session import Session, draw

_WARMUP_RUNS = 3


def micro(job: MicroJob) -> MicroResult:
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    threads = job.get("threads", 1)
    rows: list[MicroRow] = [
        {"path": path, "us": None, "rounds_us": [], "error": None}
        for path in job["models"]
    ]
    sessions: dict[int, list[Session]] = {}
    for number, row in enumerate(rows):
        try:
            sessions[number] = [
                _ready(runtime, row["path"], threads, options, job)
                for _ in range(job.get("sessions", 3))
            ]
        except AgentError as error:
            row["error"] = error.message
    for turn in range(job.get("rounds", 6)):
        order = sorted(sessions, reverse=bool(turn % 2))
        for number in order:
            session = sessions[number][turn % len(sessions[number])]
            try:
                rows[number]["rounds_us"].append(_round_us(session, job))
            except AgentError as error:
                rows[number]["error"] = error.message
                del sessions[number]
    for number in sessions:
        rows[number]["us"] = min(rows[number]["rounds_us"], default=None)
    return {
        "schema": job["schema"],
        "kind": "micro",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "threads": threads,
        "results": rows,
        "machine": machine.facts(),
    }


def _ready(
    runtime: runtimes.Runtime, path: str, threads: int, options: Any, job: MicroJob
) -> Session:
    session = runtimes.open_model(runtime, path, threads, options)
    session.prepare(draw(session.inputs, job.get("seed", 0)))
    for _ in range(_WARMUP_RUNS):
        session.invoke()
    return session


def _round_us(session: Session, job: MicroJob) -> float:
    clock, invoke = time.perf_counter_ns, session.invoke
    min_runs = job.get("min_round_runs", 5)
    invoke()  # the models before it have emptied the caches
    times: list[int] = []
    end = clock() + int(job.get("min_round_ms", 5.0) * 1e6)
    while len(times) < min_runs or clock() < end:
        start = clock()
        invoke()
        times.append(clock() - start)
    return statistics.median(times) / 1e3
