"""State of the device while it was measured, and its effect on the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.errors import MeasurementError
from edgekit.types import Conditions
from edgekit.types.measurement_notes import (
    ClockFell,
    MeasurementFault,
    ProcessorShared,
    QuotaStalled,
    Throttled,
    Unready,
)

MAX_FREQ_DROP = 0.05
MAX_TEMP_C = 60.0
MAX_LOAD = 0.1
MIN_PROCESSOR_FRACTION = 0.5
"""Inference on a CPU never rests, so less than half of a processor means that it was taken
away."""
_SLOW_GOVERNORS = ("powersave", "conservative")


def summarize(launches: Sequence[Mapping[str, Any]]) -> Conditions:
    """All looks of all launches together."""
    looks = [look for one in launches for look in one["trace"]]
    governors = {look["governor"] for look in looks if look["governor"]}
    flags = [look["throttled"] for look in looks if look["throttled"] is not None]
    pinned = launches[0].get("pinned")
    timers = [one["timer_ns"] for one in launches if one.get("timer_ns")]
    return Conditions(
        governor="+".join(sorted(governors)) or None,
        freq_mhz=_range(looks, "freq_mhz"),
        temp_c=_range(looks, "temp_c"),
        load=_range(looks, "load"),
        throttled=any(flags) if flags else None,
        pinned=tuple(pinned) if pinned is not None else None,
        timer_us=max(timers) / 1e3 if timers else None,
        unready=tuple(unready_at_start(launches)),
    )


def unready_at_start(launches: Sequence[Mapping[str, Any]]) -> list[Unready]:
    """Why the device should not have been measured when the first launch began to time."""
    looks = launches[0]["trace"]
    return unready({"conditions": looks[0]}) if looks else []


def faults(launches: Sequence[Mapping[str, Any]]) -> list[MeasurementFault]:
    """Why the launches are not to be quoted: the device held back while they ran."""
    found: list[MeasurementFault] = []
    looks = [look for one in launches for look in one["trace"]]
    if any(look["throttled"] for look in looks):
        found.append(Throttled(kind="throttled_by_firmware"))
    if _grew(launches, "throttle_count"):
        found.append(Throttled(kind="throttled_for_heat"))
    if stalls := _grew(launches, "quota_stalls"):
        found.append(QuotaStalled(stalls=stalls))
    fraction = _processor_fraction(launches)
    if fraction is not None and fraction < MIN_PROCESSOR_FRACTION:
        found.append(ProcessorShared(fraction=fraction))
    clocks = _range(looks, "freq_mhz")
    if clocks and clocks[1] > 0 and 1 - clocks[0] / clocks[1] > MAX_FREQ_DROP:
        low, high = clocks
        found.append(ClockFell(from_mhz=high, to_mhz=low, limit=MAX_FREQ_DROP))
    return found


def unready(probe: Mapping[str, Any]) -> list[Unready]:
    """Why a device should not be measured now."""
    now = probe["conditions"]
    found = []
    if now["governor"] in _SLOW_GOVERNORS:
        found.append(Unready(kind="governor", value=now["governor"]))
    if now["throttled"]:
        found.append(Unready(kind="throttled", value=True))
    if now["temp_c"] is not None and now["temp_c"] >= MAX_TEMP_C:
        found.append(Unready(kind="temp_c", value=now["temp_c"], limit=MAX_TEMP_C))
    if now["load"] is not None and now["load"] >= MAX_LOAD:
        found.append(Unready(kind="load", value=now["load"], limit=MAX_LOAD))
    if now["on_battery"]:
        found.append(Unready(kind="on_battery", value=True))
    return found


def refuse_unready(probe: Mapping[str, Any], device: str) -> None:
    """Raises MeasurementError naming everything that stands in the way of a quotable figure."""
    machine = probe["machine"]
    if machine["emulated"]:
        raise MeasurementError(
            f"{device} is emulated ({machine['emulation_evidence']}): no time measured there "
            "may be reported."
        )
    if reasons := unready(probe):
        from edgekit.report import measurement_words as words

        raise MeasurementError(
            f"{device} is not ready for a report: {'; '.join(map(words.unready, reasons))}. "
            "The default tier measures all the same."
        )


def _processor_fraction(launches: Sequence[Mapping[str, Any]]) -> float | None:
    """Processor time over wall time of the worst launch; None where that is not reported."""
    fractions = [
        one["cpu_s"] / one["timed_s"]
        for one in launches
        if one.get("cpu_s") is not None and one.get("timed_s")
    ]
    return min(fractions, default=None)


def _range(looks: Sequence[Mapping[str, Any]], name: str) -> tuple[float, float] | None:
    known = [look[name] for look in looks if look[name] is not None]
    return (min(known), max(known)) if known else None


def _grew(launches: Sequence[Mapping[str, Any]], name: str) -> int:
    """By how much a counter grew while launches ran, not between them."""
    grown = 0
    for one in launches:
        known = [look[name] for look in one["trace"] if look[name] is not None]
        grown += known[-1] - known[0] if known else 0
    return grown
