"""Joules of one model: idle, windows of inferences, idle again.

The latency of the metered inferences is kept beside the joules: it is of the same run. The
cost of the readings is the difference in throughput with and without them.
"""

from __future__ import annotations

import time
from array import array
from typing import Any

from . import machine, meters, runtimes, trace
from .bench import inputs_of
from .errors import INPUTS_INVALID, AgentError
from .schema import EnergyJob, EnergyResult, Window
from .session import Session


def energy(job: EnergyJob) -> EnergyResult:
    """Meter one model; without a readable meter the result has the reason. Raises
    `AgentError`."""
    facts = machine.facts()
    common: EnergyResult = {
        "schema": job["schema"],
        "kind": "energy",
        "error": None,
        "runtime": job["runtime"],
        "threads": job.get("threads", 1),
        "machine": facts,
        "meter": None,
    }
    if facts["emulated"]:
        reason = "The process is emulated: its energy is not the device's."
        return {**common, "reason": reason}
    found = meters.choose(job.get("meter", "auto"), job.get("meter_options"))
    if found.meter is None:
        return {
            **common,
            "reason": found.reason,
            "unreadable": dict(found.unreadable),
        }
    return _metered(job, found.meter, common)


def _metered(job: EnergyJob, meter: meters.Meter, common: EnergyResult) -> EnergyResult:
    threads = job.get("threads", 1)
    pinned = trace.pin(threads) if job.get("pin", True) else None
    runtime, version = runtimes.find(job["runtime"])
    options = runtimes.settings(runtime, job.get("options", {}))
    session = runtimes.open_model(runtime, job["path"], threads, options)
    session.prepare(inputs_of(session, job))
    count, window_s = job.get("windows", 5), job.get("window_s", 12.0)
    if count < 1 or window_s <= 0:
        raise AgentError(
            INPUTS_INVALID, "An energy job needs a window of more than 0 s."
        )
    idle_s = job.get("idle_s", 30.0)
    _loop(session, job.get("warmup_s", 2.0), array("q"))
    seen = [trace.conditions()]
    before, cpu_idle_s = _idle(meter, idle_s)
    # As the windows are: a processor that rested first would be faster for a while.
    _loop(session, min(2.0, window_s), array("q"))
    bare = array("q")
    bare_s = _loop(session, window_s, bare)
    samples = array("q")
    windows: list[Window] = []
    cpu_s = 0.0
    for _ in range(count):
        done = len(samples)
        meter.begin()
        _loop(session, window_s, samples)
        windows.append({**meter.end(), "runs": len(samples) - done})
        cpu_s += meter.cpu_s() or 0.0
    seen.append(trace.conditions())
    after, cpu_after_s = _idle(meter, idle_s)
    seen.append(trace.conditions())
    metered_s = sum(w["seconds"] for w in (*windows, before, after))
    read = meter.cpu_s() is not None
    return {
        **common,
        "runtime_version": version,
        "meter": meter.name,
        "reason": None,
        "method": meter.method,
        "boundary": meter.boundary,
        "gain_uncertainty": meter.gain_uncertainty,
        "sampler_hz": meter.sampler_hz,
        "sampler_cpu_fraction": (cpu_s + cpu_idle_s + cpu_after_s) / metered_s
        if read
        else None,
        "untraced_runs_per_s": len(bare) / bare_s,
        "idle_before": before,
        "idle_after": after,
        "windows": windows,
        "samples_ns": samples,
        "trace": seen,
        "pinned": pinned,
    }


def _idle(meter: meters.Meter, seconds: float) -> tuple[Window, float]:
    meter.begin()
    time.sleep(seconds)
    window = meter.end()
    return window, meter.cpu_s() or 0.0


def _loop(session: Session, seconds: float, samples: Any) -> float:
    """Inferences for at least `seconds`; how long it took."""
    clock, invoke = time.perf_counter_ns, session.invoke
    begin = clock()
    while True:
        start = clock()
        invoke()
        stop = clock()
        samples.append(stop - start)
        if stop - begin >= seconds * 1e9:
            return (stop - begin) / 1e9
