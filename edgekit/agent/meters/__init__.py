"""Energy meters: one file each. A machine without one gives no figure, and the result has
the reason.

A meter is a class with `NAME`, `METHOD`, `BOUNDARY`, `GAIN_UNCERTAINTY` and the methods below. It
either counts joules by itself (a counter) or is read for watts many times a second by a sampler
(`sampling.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ..errors import JOB_INVALID, AgentError
from ..schema import Window
from .battery import Battery
from .hwmon import Hwmon
from .jetson import Jetson
from .nvml import Nvml
from .perf import Perf
from .pi5 import Pi5
from .rapl import Rapl
from .serial import Serial


class Meter(Protocol):
    """Interface of an energy meter."""

    name: str
    method: str  # "counter", "sampled" or "external"
    boundary: str  # what it encloses: "package", "board", ...
    gain_uncertainty: (
        float  # fraction of a reading that may be wrong, standard uncertainty
    )
    sampler_hz: float | None  # readings by second; None for counters

    def available(self) -> str | None:
        """None where it can be read, else the reason and what mends it."""

    def begin(self) -> None:
        """Start a window."""

    def end(self) -> Window:
        """Joules, seconds and the longest gap since `begin`; `runs` is 0."""

    def cpu_s(self) -> float | None:
        """Processor time its reader took since the last `begin`; None where nothing reads."""


METERS: Mapping[str, Any] = {
    "rapl": Rapl,
    "perf": Perf,
    "pi5-pmic": Pi5,
    "jetson": Jetson,
    "hwmon": Hwmon,
    "nvml": Nvml,
    "battery": Battery,
    "serial": Serial,
}
_NAMED_ONLY = ("nvml", "serial")
"""Never chosen by themselves: a graphics card's joules are not those of a CPU runtime, and
a serial meter needs a path."""
ROOT = "EDGEKIT_SYS"
"""Names the folder where /sys is mounted, for containers that may not see their own."""


def make(name: str, options: Mapping[str, Any] | None = None) -> Meter:
    """The meter called `name`; raises `job_invalid` for an unknown name or option."""
    if name not in METERS:
        known = ", ".join(["auto", "none", *METERS])
        raise AgentError(JOB_INVALID, f"No energy meter {name!r}. Known: {known}.")
    kind = METERS[name]
    given = dict(options or {})
    if "root" in kind.OPTIONS:
        given.setdefault("root", os.environ.get(ROOT, "/sys"))
    unknown = sorted(set(given) - set(kind.OPTIONS))
    if unknown:
        known = ", ".join(kind.OPTIONS) or "none"
        raise AgentError(
            JOB_INVALID, f"{name} has no option {unknown[0]!r}. Known: {known}."
        )
    meter: Meter = kind(**given)
    return meter


class Choice(NamedTuple):
    """A meter, or why there is none: `unreadable` has the reason of each that was looked at."""

    meter: Meter | None
    reason: str | None = None
    unreadable: Mapping[str, str] = {}


def choose(name: str, options: Mapping[str, Any] | None = None) -> Choice:
    """The meter that `name` ("auto", "none" or one of METERS) stands for, or why there is none."""
    if name == "none":
        return Choice(None, "Energy was not asked for.")
    unreadable: dict[str, str] = {}
    for key in (
        [k for k in METERS if k not in _NAMED_ONLY] if name == "auto" else [name]
    ):
        meter = make(key, options if name != "auto" else None)
        reason = meter.available()
        if reason is None:
            return Choice(meter)
        unreadable[key] = reason
    reasons = "; ".join(f"{key}: {reason}" for key, reason in unreadable.items())
    reason = f"No energy meter can be read here ({reasons})."
    return Choice(None, reason, unreadable)
