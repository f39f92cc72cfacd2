"""Figures from samples, and the statements that figures support.

Launches are the unit of chance: inferences inside one process share its luck (memory layout,
clock, neighbors), so intervals are drawn over launches, never over inferences.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import MeasurementError
from edgekit.types import Latency, Measurement

MIN_SAMPLES = {50: 5, 90: 29, 95: 59, 99: 299}
"""The fewest samples whose largest bounds the percentile from above with 95 % confidence
(`1 - q**n >= 0.95`); for the median, whose range of 5 encloses it with 93 %."""
TOLERANCE = 0.15
"""Fraction by which a speed-up may differ from the one expected: a busy machine's spread."""
_RESAMPLES = 2000
SUSTAINED_BIN_S = 10.0


def percentile(samples: Sequence[float] | npt.NDArray[Any], rank: int) -> float | None:
    """The percentile, or `None` where there are too few samples to bound it."""
    if len(samples) < MIN_SAMPLES[rank]:
        return None
    return float(np.percentile(np.asarray(samples, dtype=float), rank))


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation (standard deviation over mean); `None` for one value."""
    if len(values) < 2:
        return None
    known = np.asarray(values, dtype=float)
    return float(known.std(ddof=1) / known.mean())


def median_interval(
    medians: Sequence[float], *, seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the median over launches; `None` for fewer than three."""
    if len(medians) < 3:
        return None
    random = np.random.default_rng(seed)
    drawn = random.choice(np.asarray(medians), size=(_RESAMPLES, len(medians)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)


def latency(
    launches: Sequence[Mapping[str, Any]], *, sustained: bool = False, seed: int = 0
) -> Latency:
    """Latency over launches, results of "bench" jobs.

    `p50_ms` is the median of the launches' medians, so that a fast launch, which fits more
    inferences into its seconds, has no louder voice; the tail percentiles are of all inferences
    together. No outlier is removed.
    """
    launches_ns = [one["samples_ns"] for one in launches]
    if not all(launches_ns):
        return _reported(launches)
    pooled = np.concatenate([np.asarray(one, dtype=float) for one in launches_ns]) / 1e6
    medians = tuple(float(np.median(one)) / 1e6 for one in launches_ns)
    enough = len(pooled) >= MIN_SAMPLES[50]
    within = [one for one in map(variation, launches_ns) if one is not None]
    bins = bin_medians_ms(launches_ns[0]) if sustained else ()
    return Latency(
        p50_ms=statistics.median(medians) if enough else None,
        p90_ms=percentile(pooled, 90),
        p95_ms=percentile(pooled, 95),
        p99_ms=percentile(pooled, 99),
        samples=len(pooled),
        launches=len(launches_ns),
        launch_p50_ms=medians,
        ci95_ms=median_interval(medians, seed=seed),
        launch_cv=variation(medians),
        within_cv=statistics.median(within) if within else None,
        sustained_ratio=bins[-1] / bins[0] if len(bins) > 1 else None,
        sustained_p50_ms=bins,
    )


def bin_medians_ms(
    samples_ns: Sequence[int], bin_s: float = SUSTAINED_BIN_S
) -> tuple[float, ...]:
    """Median of each whole bin of a long run, in order: how the device held out."""
    samples = np.asarray(samples_ns, dtype=float)
    bins = (np.cumsum(samples) / (bin_s * 1e9)).astype(int)
    whole = int(bins[-1]) if len(bins) else 0
    medians = []
    for number in range(whole):
        first, last = np.searchsorted(bins, [number, number + 1])
        if last > first:
            medians.append(float(np.median(samples[first:last])) / 1e6)
    return tuple(medians)


def _reported(launches: Sequence[Mapping[str, Any]]) -> Latency:
    """Figures without samples: a tool's own averages, or nothing at all."""
    summaries = [one["summary"] for one in launches if one["summary"]]
    medians = tuple(one["p50_ms"] for one in summaries if one["p50_ms"] is not None)
    means = [one["mean_ms"] for one in summaries]
    return Latency(
        p50_ms=statistics.median(medians) if medians else None,
        p90_ms=None,
        p95_ms=None,
        p99_ms=None,
        samples=sum(one["samples"] for one in summaries),
        launches=len(launches),
        launch_p50_ms=medians,
        ci95_ms=median_interval(medians),
        launch_cv=variation(medians),
        mean_ms=statistics.fmean(means) if means else None,
    )


def speedup(
    baseline: Measurement, other: Measurement, *, own_threads: bool = False
) -> float:
    """Speed-up of `other`: the median ratio over paired launches.

    Launch i of both ran side by side, so that a slow spell of the machine hits both sides of a
    ratio. Measurements of different runs, devices or thread counts are refused; with
    `own_threads` each may take as many threads as is best for it.
    """
    _comparable(baseline, other, own_threads)
    pairs = zip(
        baseline.latency.launch_p50_ms, other.latency.launch_p50_ms, strict=True
    )
    return statistics.median(slow / fast for slow, fast in pairs)


def contradicts(speedup: float, expected: float) -> bool:
    """Return whether a speed-up is not the expected one, up to `TOLERANCE`."""
    return apart(speedup, expected) > math.log1p(TOLERANCE)


def likelier(first: float, again: float, expected: float) -> float:
    """Of two speed-ups measured, the one nearer to the middle of both and the expected one.

    A second measurement that repeats the first is believed against any expectation.
    """
    middle = statistics.median([first, again, expected])
    return min(first, again, key=lambda one: apart(one, middle))


def apart(one: float, other: float) -> float:
    """Distance of two speed-ups: the absolute value of their ratio's logarithm."""
    return abs(math.log(max(one, 1e-9) / max(other, 1e-9)))


def _comparable(baseline: Measurement, other: Measurement, own_threads: bool) -> None:
    for what, one, two in (
        ("devices", baseline.device, other.device),
        ("provenance", baseline.provenance, other.provenance),
        ("thread counts", baseline.threads, other.threads),
        ("numbers of launches", baseline.latency.launches, other.latency.launches),
    ):
        if one != two and not (own_threads and what == "thread counts"):
            raise MeasurementError(
                f"{baseline.artifact} and {other.artifact} were measured with different "
                f"{what} ({one} and {two}). Measure both in one run."
            )
