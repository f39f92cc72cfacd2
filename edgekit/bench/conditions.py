"""State of the device while it was measured, and its effect on the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgekit.errors import MeasurementError
from edgekit.types import Conditions

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
    return Conditions(
        governor="+".join(sorted(governors)) or None,
        freq_mhz=_range(looks, "freq_mhz"),
        temp_c=_range(looks, "temp_c"),
        load=_range(looks, "load"),
        throttled=any(flags) if flags else None,
        pinned=tuple(pinned) if pinned is not None else None,
        unready=tuple(unready_at_start(launches)),
    )


def unready_at_start(launches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the device should not have been measured when the first launch began to time."""
    looks = launches[0]["trace"]
    return unready({"conditions": looks[0]}) if looks else []


def faults(launches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the launches are not to be quoted: the device held back while they ran."""
    found = []
    looks = [look for one in launches for look in one["trace"]]
    if any(look["throttled"] for look in looks):
        found.append("the device's firmware held its clock down (throttling)")
    if _grew(launches, "throttle_count"):
        found.append("the processor slowed itself down for heat")
    if stalls := _grew(launches, "quota_stalls"):
        found.append(
            f"the container's processor quota ran out {stalls} times: it stalls "
            "inferences, and does not slow the processor"
        )
    fraction = _processor_fraction(launches)
    if fraction is not None and fraction < MIN_PROCESSOR_FRACTION:
        found.append(
            f"the process had {fraction:.0%} of a processor while it was timed: others ran "
            "meanwhile"
        )
    clocks = _range(looks, "freq_mhz")
    if clocks and clocks[1] > 0 and (drop := 1 - clocks[0] / clocks[1]) > MAX_FREQ_DROP:
        found.append(
            f"the clock fell by {drop:.0%} ({clocks[1]:.0f} to {clocks[0]:.0f} MHz), more "
            f"than {MAX_FREQ_DROP:.0%}"
        )
    return found


def unready(probe: Mapping[str, Any]) -> list[str]:
    """Why a device should not be measured now, each with what mends it."""
    now = probe["conditions"]
    checks: Sequence[tuple[str, Callable[[Any], bool], str]] = (
        (
            "governor",
            lambda value: value in _SLOW_GOVERNORS,
            "the governor is {}: sudo cpupower frequency-set -g performance",
        ),
        (
            "throttled",
            bool,
            "the firmware holds the clock down: a better supply, or cooling",
        ),
        (
            "temp_c",
            lambda value: value >= MAX_TEMP_C,
            f"it is {{:.0f}} degrees warm, {MAX_TEMP_C:g} at most: let it cool down",
        ),
        (
            "load",
            lambda value: value >= MAX_LOAD,
            f"its load is {{:.2f}} by processor, {MAX_LOAD:g} at most: stop what else runs",
        ),
        ("on_battery", bool, "it runs on its battery: plug the supply in"),
    )
    return [
        words.format(now[name])
        for name, wrong, words in checks
        if now[name] is not None and wrong(now[name])
    ]


def refuse_unready(probe: Mapping[str, Any], device: str) -> None:
    """Raises MeasurementError naming everything that stands in the way of a quotable figure."""
    machine = probe["machine"]
    if machine["emulated"]:
        raise MeasurementError(
            f"{device} is emulated ({machine['emulation_evidence']}): no time measured there "
            "may be reported."
        )
    if reasons := unready(probe):
        raise MeasurementError(
            f"{device} is not ready for a report: {'; '.join(reasons)}. "
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
