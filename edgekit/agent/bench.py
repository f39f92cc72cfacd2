"""One launch: load, first inference, warm-up to a plateau, timed inferences."""

from __future__ import annotations

import os
import statistics
import time
from array import array
from typing import Any

import numpy as np

from . import instructions, machine, runtimes, trace
from .arrays import read_inputs, sample
from .schema import BenchJob, BenchResult, Conditions, EnergyJob, Instructions, Warmup
from .session import Session, check, draw

PLATEAU = 0.02
_SETTLE, _COUNTED = 3, 8


def bench(job: BenchJob) -> BenchResult:
    """Time one launch, or count its instructions under an emulator; raises `AgentError`."""
    facts = (
        machine.facts()
    )  # before pinning: the count of all processors of the machine
    threads = job.get("threads", 1)
    pinned = trace.pin(threads) if job.get("pin", True) else None
    start = time.perf_counter_ns()
    runtime, version = runtimes.find(job["runtime"])
    import_ms = _ms_since(start)
    options = runtimes.settings(runtime, job.get("options", {}))
    before_mb = machine.resident_mb()

    start = time.perf_counter_ns()
    session = runtimes.open_model(runtime, job["path"], threads, options)
    load_ms = _ms_since(start)

    session.prepare(inputs_of(session, job))
    start = time.perf_counter_ns()
    session.invoke()
    first_ms = _ms_since(start)
    common: BenchResult = {
        "schema": job["schema"],
        "kind": "bench",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "threads": threads,
        "options": options,
        "memory_before_load_mb": before_mb,
        "pinned": pinned,
        "machine": facts,
    }
    if facts["emulated"]:
        return _counted(session, common)
    warmup = warm_up(session, job)
    # Before the samples: what the harness stores is not the model's.
    peak_mb, peak_method = machine.peak_memory_mb()
    seen = [trace.conditions()]
    cpu = time.process_time()
    samples, timed_s = _sample(session, job, seen)
    cpu_s = time.process_time() - cpu
    seen.append(trace.conditions())
    return {
        **common,
        "import_ms": import_ms,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "warmup": warmup,
        "samples_ns": samples,
        "refused": None,
        "instructions": None,
        "summary": None,
        "timed_s": timed_s,
        "cpu_s": cpu_s,
        "complete": len(samples) >= job.get("min_runs", 100),
        "peak_memory_mb": peak_mb,
        "peak_memory_method": peak_method,
        "trace": seen,
    }


def _counted(session: Session, common: BenchResult) -> BenchResult:
    """Instructions instead of milliseconds: times under emulation have no relation to a
    device's."""
    evidence = common["machine"]["emulation_evidence"]
    return {
        **common,
        "import_ms": None,
        "load_ms": None,
        "first_ms": None,
        "warmup": {"runs": 0, "seconds": 0.0, "plateau": False},
        "samples_ns": [],
        "refused": f"The process is emulated ({evidence}): its times do not apply to any device.",
        "instructions": _instructions(session),
        "summary": None,
        "timed_s": 0.0,
        "cpu_s": None,
        "complete": False,
        "peak_memory_mb": None,
        "peak_memory_method": "not read: the emulator's memory is in it",
        "trace": [],
    }


def _instructions(session: Session) -> Instructions | None:
    """The median over a few inferences; None where nobody counts."""
    if instructions.VARIABLE not in os.environ:
        return None
    clock = instructions.counter()
    counts = []
    for _ in range(_SETTLE + _COUNTED):
        start = clock()
        session.invoke()
        counts.append(clock() - start)
    return {
        "per_inference": float(statistics.median(counts[_SETTLE:])),
        "inferences": _COUNTED,
        "counter": "qemu-user",
    }


def warm_up(session: Session, job: BenchJob) -> Warmup:
    """Runs until two consecutive window medians are within 2 %, and the minimum is done."""
    min_runs, min_s = job.get("warmup_min_runs", 10), job.get("warmup_min_s", 2.0)
    max_s = job.get("warmup_max_s", 30.0)
    window_s = min(0.5, min_s / 4)
    start = time.perf_counter_ns()
    runs, before, plateau, seconds = 0, 0.0, False, 0.0
    while not (plateau and runs >= min_runs and seconds >= min_s) and seconds < max_s:
        window = _window(session, window_s)
        runs += len(window)
        median = statistics.median(window)
        plateau = abs(median - before) <= PLATEAU * median
        before = median
        seconds = (time.perf_counter_ns() - start) / 1e9
    return {"runs": runs, "seconds": seconds, "plateau": plateau}


def _window(session: Session, window_s: float) -> list[int]:
    clock, invoke = time.perf_counter_ns, session.invoke
    times: list[int] = []
    end = clock() + int(window_s * 1e9)
    while True:
        start = clock()
        invoke()
        stop = clock()
        times.append(stop - start)
        if stop >= end:
            return times


def _sample(
    session: Session, job: BenchJob, seen: list[Conditions]
) -> tuple[array[int], float]:
    min_runs = job.get("min_runs", 100)
    min_ns, max_ns = job.get("min_s", 10.0) * 1e9, job.get("max_s", 60.0) * 1e9
    clock, invoke = time.perf_counter_ns, session.invoke
    samples = array("q")
    begin = clock()
    look_ns = job.get("trace_s", float("inf")) * 1e9
    look_at = begin + look_ns
    while True:
        start = clock()
        invoke()
        stop = clock()
        samples.append(stop - start)
        elapsed = stop - begin
        if (elapsed >= min_ns and len(samples) >= min_runs) or elapsed >= max_ns:
            return samples, elapsed / 1e9
        if stop >= look_at:
            seen.append(trace.conditions())
            look_at += look_ns


def inputs_of(
    session: Session, job: BenchJob | EnergyJob
) -> list[np.ndarray[Any, Any]]:
    """The job's own first sample, or seeded random arrays."""
    path = job.get("inputs")
    if not path:
        return draw(session.inputs, job.get("seed", 0))
    arrays = sample(session.inputs, read_inputs(path, session.inputs), 0)
    check(session.inputs, arrays)
    return arrays


def _ms_since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e6
