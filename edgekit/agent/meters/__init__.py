"""Energy meters: one file each. A machine without one gives no figure, and says why.

A meter has `name`, `method`, `boundary`, `available()`, `begin()`, `poll()` and `end()`. Between
`begin` and `end` the caller calls `poll` about once a second, outside every timed region.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import JOB_INVALID, AgentError
from .rapl import Rapl


class Meter(Protocol):
    name: str
    method: str  # "counter", "sampled" or "external"
    boundary: str  # what it encloses: "package", "board", ...

    def available(self) -> str | None:
        """None where it can be read, else the reason."""

    def begin(self) -> None: ...

    def poll(self) -> None: ...

    def end(self) -> tuple[float, float]:
        """Joules and seconds since `begin`."""


METERS: dict[str, Callable[[], Meter]] = {"rapl": Rapl}


def choose(name: str) -> tuple[Meter | None, str | None]:
    """The meter that `name` ("auto", "none" or one of METERS) stands for, or why there is none."""
    if name == "none":
        return None, "Energy was not asked for."
    if name != "auto" and name not in METERS:
        known = ", ".join(["auto", "none", *METERS])
        raise AgentError(JOB_INVALID, f"No energy meter {name!r}. Known: {known}.")
    reasons = []
    for key in METERS if name == "auto" else [name]:
        meter = METERS[key]()
        reason = meter.available()
        if reason is None:
            return meter, None
        reasons.append(f"{key}: {reason}")
    return None, "No energy meter can be read here (" + "; ".join(reasons) + ")."
