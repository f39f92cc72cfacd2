"""Test whether one artifact is slower than another: pairs of launches, and three verdicts.

The two artifacts take turns (A B, B A, ...), so that a slow spell of the machine hits both sides of
a ratio. The verdict is of one-sided bounds of the mean log ratio over pairs (Student's t). Too few
or too noisy pairs are inconclusive: more are taken once, at a stricter confidence, because looking
twice at the same one finds differences that are not there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are loaded where they are used: an unchanged build needs none

from edgekit.bench import conditions
from edgekit.bench.protocol import (
    LaunchProgress,
    Metering,
    OnLaunch,
    cool_down,
    launch,
    meter,
    summarize,
)
from edgekit.bench.tiers import Tier, tier_called
from edgekit.devices import Device
from edgekit.errors import MeasurementError, UsageError
from edgekit.types import Artifact, Paired, PairedVerdict

SLOWER = 1.02
"""Surely slower than this fails ..."""
TOLERATED = 1.05
"""... and surely no slower than this passes."""
FIRST_PAIRS, FIRST_CONFIDENCE = 5, 0.95
ALL_PAIRS, LAST_CONFIDENCE = 20, 0.975


class Judgment(NamedTuple):
    """Verdict on a latency ratio, with the bounds of its confidence interval."""

    ratio: float
    low: float
    high: float
    verdict: PairedVerdict


def judge(ratios: Sequence[float], confidence: float) -> Judgment:
    """The verdict on ratios of paired launches, the artifact's latency over the other's."""
    logs = [math.log(ratio) for ratio in ratios]
    center = statistics.fmean(logs)
    if len(logs) < 2:
        return Judgment(math.exp(center), 0.0, math.inf, "inconclusive")
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    reach = float(scipy.stats.t.ppf(confidence, len(logs) - 1)) * error
    low, high = math.exp(center - reach), math.exp(center + reach)
    verdict: PairedVerdict = "inconclusive"
    if low > SLOWER:
        verdict = "fail"
    elif high < TOLERATED:
        verdict = "pass"
    return Judgment(math.exp(center), low, high, verdict)


def compare(
    pair: tuple[Artifact, Artifact],
    device: Device,
    *,
    tier: str | Tier,
    threads: int,
    on_launch: OnLaunch | None = None,
    metering: Metering | None = None,
) -> Paired:
    """Launch both in turns and judge whether the first is slower than the second.

    `metering` measures the energy of both afterwards. Raises MeasurementError where nothing may
    be timed.
    """
    artifact, against = pair
    if artifact.name == against.name:
        raise UsageError(f"Two artifacts are called {artifact.name!r}.")
    plan = tier_called(tier)
    progress = LaunchProgress(on_launch, 2 * FIRST_PAIRS)
    if plan.strict and not plan.forced:
        progress.now("look at the device")
        conditions.refuse_unready(device.probe(), device.name)
    launches: tuple[list[Mapping[str, Any]], ...] = ([], [])

    def take(first: int, last: int) -> list[float]:
        for turn in range(first, last):
            if turn:
                cool_down(plan, progress)
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                progress.now(pair[side].name)
                one = launch(pair[side], device, plan, threads=threads, seed=turn)
                if one["refused"]:
                    raise MeasurementError(f"{device.name}: {one['refused']}")
                launches[side].append(one)
                progress.launched()
        return [
            _p50(ours) / _p50(theirs) for ours, theirs in zip(*launches, strict=True)
        ]

    confidence = FIRST_CONFIDENCE
    found = judge(take(0, FIRST_PAIRS), confidence)
    if found.verdict == "inconclusive":
        confidence = LAST_CONFIDENCE
        progress.total = 2 * ALL_PAIRS
        found = judge(take(FIRST_PAIRS, ALL_PAIRS), confidence)
    by_name = {one.name: each for one, each in zip(pair, launches, strict=True)}
    energies = meter(by_name, pair, device, plan, metering or Metering(), progress)
    ours, theirs = (
        summarize(
            one,
            by_name[one.name],
            device=device,
            plan=plan,
            energy=energies[one.name],
        )
        for one in pair
    )
    return Paired(
        artifact=artifact.name,
        against=against.name,
        device=device.name,
        provenance=device.provenance,
        ratio=found.ratio,
        low=found.low,
        high=found.high,
        confidence=confidence,
        pairs=len(launches[0]),
        verdict=found.verdict,
        slower=SLOWER,
        tolerated=TOLERATED,
        measurements=(ours, theirs),
    )


def _p50(launch_: Mapping[str, Any]) -> float:
    if launch_["samples_ns"]:
        return float(np.median(launch_["samples_ns"]))
    found = (launch_["summary"] or {}).get("p50_ms")
    if found is None:
        raise MeasurementError("A tool that reports averages only cannot be compared.")
    return float(found)
