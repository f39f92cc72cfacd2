"""Time by operator: from the runtime's own profiler, or from each operator run alone.

Profiling slows a run down: its microseconds serve for fractions and for finding slow
operators, not as latency.
"""

from __future__ import annotations

import statistics
import time

from . import machine, runtimes, trace
from .bench import inputs_of
from .errors import JOB_INVALID, AgentError
from .schema import OperatorTime, ProfileJob, ProfileResult
from .session import Session, draw

PROFILER = "profiler"
ALONE = "each operator alone"
_WARMUP_RUNS = 5
_ALONE_S = 0.02


def profile(job: ProfileJob) -> ProfileResult:
    """Time the operators of a model, in microseconds; raises `AgentError`."""
    facts = machine.facts()
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    threads, runs = job.get("threads", 1), job.get("runs", 50)
    if facts["emulated"]:
        raise AgentError(
            JOB_INVALID,
            f"The process is emulated ({facts['emulation_evidence']}): its times do "
            "not apply to any device.",
        )
    trace.pin(threads)
    operators: list[OperatorTime]
    models = job.get("models")
    if models is not None:
        method = ALONE
        operators = [_alone(runtime, path, threads, options, job) for path in models]
    elif hasattr(runtime, "profile"):
        method = PROFILER

        def prepare(session: Session) -> None:
            session.prepare(inputs_of(session, job))  # type: ignore[arg-type]

        operators = runtime.profile(job["path"], threads, options, runs, prepare)
    else:
        raise AgentError(
            JOB_INVALID,
            f"{job['runtime']} has no profiler: give one model for each operator.",
        )
    return {
        "schema": job["schema"],
        "kind": "profile",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "threads": threads,
        "method": method,
        "runs": runs,
        "operators": operators,
        "machine": facts,
    }


def _alone(
    runtime: runtimes.Runtime,
    path: str,
    threads: int,
    options: dict[str, object],
    job: ProfileJob,
) -> OperatorTime:
    """One operator as a model of its own, named by whoever made the model."""
    row: OperatorTime = {
        "name": path,
        "kind": "",
        "us": 0.0,
        "kernel": None,
        "fast": None,
        "why": None,
    }
    session = runtimes.open_model(runtime, path, threads, options)
    session.prepare(draw(session.inputs, job.get("seed", 0)))
    for _ in range(_WARMUP_RUNS):
        session.invoke()
    times: list[int] = []
    clock, end = time.perf_counter_ns, time.perf_counter_ns() + int(_ALONE_S * 1e9)
    while len(times) < job.get("runs", 50) or clock() < end:
        start = clock()
        session.invoke()
        times.append(clock() - start)
    row["us"] = statistics.median(times) / 1e3
    delegated = getattr(session, "delegated", None)
    if delegated is not None:
        row["fast"] = delegated()
        row["kernel"] = "XNNPACK" if row["fast"] else "built-in kernel"
        if not row["fast"]:
            row["why"] = "XNNPACK does not take it: the interpreter's own kernel runs"
    return row
