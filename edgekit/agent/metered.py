"""Power of many small models in one process: each is looped while a meter counts, in turns.

One inference is far below the resolution of any meter; a second of them is not. The result
of a window is therefore power. A busy machine makes the inferences of a window fewer, and
its power hardly less: what an inference takes follows from this power and the time that was
measured apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from . import machine, meters
from .errors import INPUTS_INVALID, AgentError
from .schema import MicrobenchmarkJob, MicrobenchmarkResult, Window
from .session import Session

_READINGS = 8
"""A window of a meter that is read many times a second holds so many readings at least."""
_UNKNOWN_RATE_S = 2.0
"""A window of a meter that sends by itself, whose rate is not known before."""
_SETTLE_S = 0.03


def meter(
    job: MicrobenchmarkJob,
    sessions: Mapping[int, Session],
    result: MicrobenchmarkResult,
) -> None:
    """Add the windows of each model to its row, and what meters them or why nothing does.

    Raises `inputs_invalid` for a job whose windows are empty.
    """
    count, asked_s = job.get("windows", 2), job.get("window_s", 0.25)
    if count < 1 or asked_s <= 0:
        raise AgentError(
            INPUTS_INVALID, "A metered job needs a window of more than 0 s."
        )
    if machine.facts()["emulated"]:
        result["reason"] = "The process is emulated: its energy is not the device's."
        return
    choice = meters.choose(job.get("meter", "auto"), job.get("meter_options"))
    found = choice.meter
    if found is None:
        result["reason"] = choice.reason
        result["unreadable"] = dict(choice.unreadable)
        return
    window_s = max(asked_s, _least_s(found))
    for turn in range(count):
        for number in sorted(sessions, reverse=bool(turn % 2)):
            _loop(sessions[number], _SETTLE_S)
            found.begin()
            runs = _loop(sessions[number], window_s)
            window: Window = {**found.end(), "runs": runs}
            result["results"][number]["windows"].append(window)
    result["meter"], result["reason"] = found.name, None
    result["method"], result["boundary"] = found.method, found.boundary


def _least_s(meter: meters.Meter) -> float:
    if meter.method == "counter":
        return 0.0
    return _READINGS / meter.sampler_hz if meter.sampler_hz else _UNKNOWN_RATE_S


def _loop(session: Session, seconds: float) -> int:
    """Inferences for at least `seconds`; how many."""
    end = time.perf_counter_ns() + int(seconds * 1e9)
    runs = 0
    while True:
        session.invoke()
        runs += 1
        if time.perf_counter_ns() >= end:
            return runs
