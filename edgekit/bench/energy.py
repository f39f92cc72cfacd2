"""From metered windows to joules of an inference, with uncertainty; and what may be modeled.

gross = joules / inferences                      net = (P_load - P_idle) * T / N
u = sqrt(SE_windows^2 + (gain * E)^2 [+ (T / N)^2 * SE_idle^2 for net]),  k = 2
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.errors import MeasurementError, UsageError
from edgekit.types import Energy, Target
from edgekit.types.measurement_notes import (
    EnergyAbsent,
    EnergyMetered,
    EnergyModeled,
    EnergyReason,
    IdleDrifted,
    Incomparable,
    MeterStarved,
    NoMeter,
    ThroughputChanged,
    WindowsDropped,
)

MAX_IDLE_DRIFT = 0.05
MAX_OVERHEAD = 0.02
_GAPS = 3.0
"""A window with a gap of this many periods between two readings is dropped."""
MODEL_BAND = 0.5
"""Published figures of one board spread this far."""
J_PER_KWH = 3.6e6


def summarize(result: Mapping[str, Any]) -> Energy:
    """The figure of one energy run; `reasons` has the cause where there is none, or where it
    must not be quoted."""
    if result["meter"] is None:
        unreadable = result.get("unreadable", {})
        missing = NoMeter(detail=None if unreadable else result["reason"])
        return Energy(reasons=(missing,), unreadable=unreadable)
    kept = _sound(result)
    if not kept:
        return Energy(reasons=(MeterStarved(periods=_GAPS),))
    per_run = [w["joules"] / w["runs"] for w in kept]
    gross_j = math.fsum(w["joules"] for w in kept) / sum(w["runs"] for w in kept)
    seconds_per_run = math.fsum(w["seconds"] for w in kept) / sum(
        w["runs"] for w in kept
    )
    idle_w = [_watts(result[key]) for key in ("idle_before", "idle_after")]
    net_j = gross_j - statistics.fmean(idle_w) * seconds_per_run
    spread_j = (
        statistics.stdev(per_run) / math.sqrt(len(per_run)) if len(per_run) > 1 else 0.0
    )
    gain = result["gain_uncertainty"]
    idle_se_w = statistics.stdev(idle_w) / math.sqrt(2)
    gross_u = 2 * math.hypot(spread_j, gain * gross_j)
    net_u = 2 * math.hypot(spread_j, gain * net_j, seconds_per_run * idle_se_w)
    metered_per_s = 1 / seconds_per_run
    overhead = 1 - metered_per_s / result["untraced_runs_per_s"]
    return Energy(
        gross_mj=gross_j * 1e3,
        net_mj=net_j * 1e3,
        gross_u_mj=gross_u * 1e3,
        net_u_mj=net_u * 1e3,
        method=result["method"],
        boundary=result["boundary"],
        meter=result["meter"],
        windows=len(kept),
        idle_before_w=idle_w[0],
        idle_after_w=idle_w[1],
        sampler_hz=result["sampler_hz"],
        overhead=overhead,
        reader_cpu=result["sampler_cpu_fraction"],
        p50_ms=float(np.median(result["samples_ns"])) / 1e6,
        reasons=_doubts(idle_w, overhead, len(result["windows"]) - len(kept)),
    )


def _sound(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    hz = result["sampler_hz"]
    return [
        window
        for window in result["windows"]
        if window["runs"]
        and not (hz and window["gap_s"] is not None and window["gap_s"] > _GAPS / hz)
    ]


def _watts(window: Mapping[str, Any]) -> float:
    return float(window["joules"] / window["seconds"])


def _doubts(
    idle_w: Sequence[float], overhead: float, dropped: int
) -> tuple[EnergyReason, ...]:
    found: list[EnergyReason] = []
    before, after = idle_w
    drifted = IdleDrifted(before_w=before, after_w=after, limit=MAX_IDLE_DRIFT)
    if max(before, after) > 0 and drifted.drift > MAX_IDLE_DRIFT:
        found.append(drifted)
    if abs(overhead) > MAX_OVERHEAD:
        found.append(ThroughputChanged(overhead=overhead))
    if dropped:
        found.append(WindowsDropped(windows=dropped))
    return tuple(found)


def modeled(target: Target, launches: Sequence[Mapping[str, Any]]) -> Energy:
    """Energy from the target's published watts and the processor time, with its band of +-50 %.

    Raises `UsageError` where the profile has no watts and `MeasurementError` without times.
    """
    power = target.power
    idle_w, load_w = published_w(target)
    fractions = []
    for one in launches:
        runs = len(one["samples_ns"])
        if not runs or one["cpu_s"] is None:
            raise MeasurementError("Energy cannot be modeled without timed inferences.")
        used = min(1.0, one["cpu_s"] / (one["timed_s"] * target.cores))
        watts = idle_w + used * (load_w - idle_w)
        fractions.append(one["timed_s"] * watts / runs)
    gross_mj = statistics.fmean(fractions) * 1e3
    return Energy(
        gross_mj=gross_mj,
        gross_u_mj=gross_mj * MODEL_BAND,
        method="modeled",
        boundary=power.boundary,
        reasons=(
            EnergyModeled(
                target=target.name, provenance=power.provenance, band=MODEL_BAND
            ),
        ),
    )


def published_w(target: Target) -> tuple[float, float]:
    """Watts of the idle and of the loaded board; raises UsageError where nobody published any."""
    power = target.power
    if power.idle_w is None or power.load_w is None:
        raise UsageError(
            f"The profile of {target.name} has no published watts: energy cannot be modeled. "
            "Add [power] idle_w and load_w to its file."
        )
    return power.idle_w, power.load_w


def grams_per_million(energy: Energy, grams_per_kwh: float) -> float | None:
    """Grams of CO2-equivalent for a million inferences, from gross joules and a stated grid."""
    if energy.gross_mj is None:
        return None
    return energy.gross_mj / 1e3 * 1e6 / J_PER_KWH * grams_per_kwh


def comparable(one: Energy, other: Energy) -> Incomparable | None:
    """Why two figures must not be compared; None where they may be."""
    if one.gross_mj is None or other.gross_mj is None:
        return EnergyAbsent()
    if one.method != other.method:
        methods = (one.method, other.method)
        return EnergyMetered(kind="methods_differ", values=methods)
    if one.boundary != other.boundary:
        boundaries = (one.boundary, other.boundary)
        return EnergyMetered(kind="boundaries_differ", values=boundaries)
    return None
