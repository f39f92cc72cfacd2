"""One launch: load, first inference, warm-up to a plateau, timed inferences."""

from __future__ import annotations

import statistics
import time
from array import array
from typing import Any

import numpy as np

from . import machine, meters, runtimes
from .arrays import read_inputs, sample
from .schema import BenchJob, BenchResult, EnergyResult, Warmup
from .session import Session, check, draw

PLATEAU = 0.02
_POLL_NS = 1_000_000_000


def bench(job: BenchJob) -> BenchResult:
    start = time.perf_counter_ns()
    runtime, version = runtimes.find(job["runtime"])
    import_ms = _ms_since(start)
    options = runtimes.settings(runtime, job.get("options", {}))
    threads = job.get("threads", 1)
    before_mb = machine.resident_mb()

    start = time.perf_counter_ns()
    session = runtimes.open_model(runtime, job["path"], threads, options)
    load_ms = _ms_since(start)

    session.prepare(_inputs(session, job))
    start = time.perf_counter_ns()
    session.invoke()
    first_ms = _ms_since(start)

    warmup = warm_up(session, job)
    # Before the samples: what the harness stores is not the model's.
    peak_mb, peak_method = machine.peak_memory_mb()
    facts = machine.facts()
    samples, timed_s, energy = _timed(session, job, emulated=facts["emulated"])
    return {
        "schema": job["schema"],
        "kind": "bench",
        "error": None,
        "runtime": job["runtime"],
        "runtime_version": version,
        "threads": threads,
        "options": options,
        "import_ms": import_ms,
        "load_ms": load_ms,
        "first_ms": first_ms,
        "warmup": warmup,
        "samples_ns": samples,
        "timed_s": timed_s,
        "complete": len(samples) >= job.get("min_runs", 100),
        "memory_before_load_mb": before_mb,
        "peak_memory_mb": peak_mb,
        "peak_memory_method": peak_method,
        "energy": energy,
        "machine": facts,
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


def _timed(
    session: Session, job: BenchJob, *, emulated: Any
) -> tuple[list[int], float, EnergyResult]:
    meter, reason = meters.choose(job.get("energy", "auto"))
    if emulated:
        meter, reason = None, "The process is emulated: its energy is not the device's."
    if meter:
        meter.begin()
    samples, timed_s = _sample(session, job, meter)
    if meter is None:
        return samples, timed_s, _no_energy(reason)
    joules, seconds = meter.end()
    return (
        samples,
        timed_s,
        {
            "gross_mj": joules * 1e3 / len(samples),
            "meter": meter.name,
            "method": meter.method,
            "boundary": meter.boundary,
            "seconds": seconds,
            "reason": None,
        },
    )


def _sample(session: Session, job: BenchJob, meter: Any) -> tuple[list[int], float]:
    min_runs = job.get("min_runs", 100)
    min_ns, max_ns = job.get("min_s", 10.0) * 1e9, job.get("max_s", 60.0) * 1e9
    clock, invoke = time.perf_counter_ns, session.invoke
    samples = array("q")
    begin = clock()
    poll_at = begin + _POLL_NS if meter else float("inf")
    while True:
        start = clock()
        invoke()
        stop = clock()
        samples.append(stop - start)
        elapsed = stop - begin
        if (elapsed >= min_ns and len(samples) >= min_runs) or elapsed >= max_ns:
            return samples.tolist(), elapsed / 1e9
        if stop >= poll_at:
            meter.poll()
            poll_at = stop + _POLL_NS


def _no_energy(reason: Any) -> EnergyResult:
    return {
        "gross_mj": None,
        "meter": None,
        "method": "none",
        "boundary": None,
        "seconds": None,
        "reason": reason,
    }


def _inputs(session: Session, job: BenchJob) -> list[np.ndarray[Any, Any]]:
    path = job.get("inputs")
    if not path:
        return draw(session.inputs, job.get("seed", 0))
    arrays = sample(session.inputs, read_inputs(path, session.inputs), 0)
    check(session.inputs, arrays)
    return arrays


def _ms_since(start_ns: int) -> float:
    return (time.perf_counter_ns() - start_ns) / 1e6
