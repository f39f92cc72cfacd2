"""Measurement effort: launches, warm-up, timed seconds, pauses, metered windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgekit.errors import UsageError
from edgekit.suggestions import suggest


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Each launch warms up to a plateau and then times at least this."""

    name: str
    launches: int
    warmup_min_runs: int = 10
    warmup_min_s: float = 2.0
    warmup_max_s: float = 30.0
    min_runs: int = 100
    min_s: float = 10.0
    max_s: float = 60.0
    cooldown_s: float = 60.0
    """Pause between two rounds, in which every artifact was launched once."""
    max_launch_cv: float = 0.05
    """The medians of the launches may vary this much; beyond, the figure is not to be quoted."""
    trace_s: float | None = None
    """Seconds between two looks at clock and heat; `None`: before and after only."""
    strict: bool = False
    """True where a device that is not ready to be measured is refused."""
    forced: bool = False
    """True where a strict tier measures it all the same; the figure is not to be quoted then."""
    windows: int = 5
    """Of the energy run, `window_s` seconds each, with `idle_s` of rest before and after."""
    window_s: float = 12.0
    idle_s: float = 30.0


TIERS: Mapping[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier(
            name="quick",
            launches=3,
            warmup_min_s=0.3,
            warmup_max_s=3.0,
            min_s=1.0,
            max_s=10.0,
            cooldown_s=0.0,
            max_launch_cv=0.10,
            window_s=2.0,
            idle_s=5.0,
        ),
        Tier(name="default", launches=5),
        Tier(
            name="report",
            launches=5,
            min_runs=205,
            min_s=12.0,
            cooldown_s=300.0,
            strict=True,
        ),
        Tier(name="sustained", launches=1, min_s=300.0, max_s=300.0, trace_s=10.0),
    )
}


def planning() -> Tier:
    """The tier of timings that a build decides by on its way: what ends is timed again.

    Hundreds of inferences of a small network, and of a large one as many as a quick launch has.
    """
    quick = TIERS["quick"]
    return replace(
        quick,
        name="planning",
        warmup_min_s=min(0.15, quick.warmup_min_s),
        min_s=min(0.3, quick.min_s),
    )


def tier_called(tier: str | Tier) -> Tier:
    """The tier of that name; raises UsageError where there is none."""
    if isinstance(tier, Tier):
        return tier
    if tier not in TIERS:
        hint = suggest(tier, TIERS)
        raise UsageError(
            f"No benchmark tier {tier!r}.{hint} Known: {', '.join(TIERS)}."
        )
    return TIERS[tier]


def tailored(
    name: str,
    *,
    launches: int | None = None,
    seconds: float | None = None,
    cooldown_s: float | None = None,
    forced: bool = False,
) -> Tier:
    """The tier with other amounts. Its name marks the change: it is no longer comparable with
    its own.

    Raises UsageError for amounts that measure nothing.
    """
    tier = tier_called(name)
    said = []
    if launches is not None:
        _positive("launches", launches)
        tier = replace(tier, launches=launches)
        said.append(f"{launches} launches")
    if seconds is not None:
        _positive("seconds", seconds)
        longest = max(seconds, tier.max_s if tier.trace_s is None else seconds)
        tier = replace(tier, min_s=seconds, max_s=longest)
        said.append(f"{seconds:g} s each")
    if cooldown_s is not None:
        if cooldown_s < 0:
            raise UsageError(
                f"--cooldown {cooldown_s:g}: seconds of a pause, 0 or more."
            )
        tier = replace(tier, cooldown_s=cooldown_s)
        said.append(f"{cooldown_s:g} s between")
    if forced and tier.strict:
        tier = replace(tier, forced=True)
        said.append("forced")
    return replace(tier, name=", ".join([tier.name, *said]))


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise UsageError(f"--{name} {value:g}: it must be more than 0.")
