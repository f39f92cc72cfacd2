from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.bench import statistics
from edgekit.bench.statistics import (
    MIN_SAMPLES,
    contradicts,
    likelier,
    median_interval,
    percentile,
    speedup,
    variation,
)
from edgekit.errors import MeasurementError
from edgekit.types import Energy, Latency, Measurement


def latency(launches_ns: Sequence[Sequence[int]]) -> Latency:
    return statistics.latency([{"samples_ns": one} for one in launches_ns])


def measurement(name: str, *launches_ms: float, device: str = "local") -> Measurement:
    return Measurement(
        artifact=name,
        device=device,
        provenance="host",
        runtime="onnxruntime",
        runtime_version="1",
        threads=1,
        latency=Latency(
            p50_ms=1.0,
            p90_ms=None,
            p95_ms=None,
            p99_ms=None,
            samples=5,
            launches=len(launches_ms),
            launch_p50_ms=launches_ms,
        ),
        load_ms=1.0,
        first_ms=1.0,
        peak_memory_mb=None,
        size_mb=1.0,
        energy=Energy(),
    )


@pytest.mark.parametrize("rank", [90, 95, 99])
def test_the_fewest_samples_are_where_a_95_percent_bound_begins(rank: int) -> None:
    fewest = MIN_SAMPLES[rank]
    assert 1 - (rank / 100) ** fewest >= 0.95
    assert 1 - (rank / 100) ** (fewest - 1) < 0.95
    assert percentile([1.0] * (fewest - 1), rank) is None
    assert percentile([1.0] * fewest, rank) == 1.0


def test_a_tail_too_thin_is_missing_and_not_zero() -> None:
    figures = latency([[1_000_000] * 20, [1_000_000] * 20])
    assert figures.samples == 40
    assert figures.p50_ms == 1.0
    assert figures.p90_ms == 1.0
    assert figures.p95_ms is None
    assert figures.p99_ms is None
    assert latency([[1_000_000] * 4]).p50_ms is None


def test_percentiles_are_of_all_samples_and_in_milliseconds() -> None:
    samples = list(range(1_000_000, 301_000_000, 1_000_000))
    figures = latency([samples])
    assert figures.p99_ms == pytest.approx(np.percentile(range(1, 301), 99))
    assert figures.launch_p50_ms == (150.5,)


def test_a_launch_with_more_samples_has_no_louder_voice() -> None:
    fast, slow = [1_000_000] * 1000, [3_000_000] * 10
    assert latency([fast, slow, slow]).p50_ms == 3.0


def test_no_sample_is_removed_as_an_outlier() -> None:
    samples = [1_000_000] * 290 + [900_000_000] * 10
    figures = latency([samples])
    assert figures.samples == 300
    assert figures.p99_ms == 900.0


def test_one_launch_has_neither_interval_nor_variation() -> None:
    figures = latency([[1_000_000] * 30])
    assert figures.ci95_ms is None
    assert figures.launch_cv is None


@given(st.lists(st.floats(0.1, 100), min_size=3, max_size=8))
def test_the_interval_is_seeded_and_encloses_the_median(medians: list[float]) -> None:
    interval = median_interval(medians, seed=1)
    assert interval == median_interval(medians, seed=1)
    assert interval is not None
    low, high = interval
    assert min(medians) <= low <= np.median(medians) <= high <= max(medians)


def test_a_sustained_run_reports_its_last_seconds_from_its_first() -> None:
    steady, slowed = [10_000_000] * 2000, [15_000_000] * 1000
    assert statistics.bin_medians_ms([*steady, *slowed]) == (10.0, 10.0, 15.0)
    assert statistics.bin_medians_ms(steady[:100]) == ()
    launch = {"samples_ns": [*steady, *slowed]}
    assert statistics.latency([launch], sustained=True).sustained_ratio == 1.5
    brief = statistics.latency([{"samples_ns": steady[:1100]}], sustained=True)
    assert brief.sustained_ratio is None
    assert brief.sustained_p50_ms == (10.0,)


def test_variation_within_launches_is_distinguished_from_that_between() -> None:
    figures = latency([[9_000_000, 11_000_000] * 30, [9_000_000, 11_000_000] * 30])
    assert figures.launch_cv == 0.0
    assert figures.within_cv == pytest.approx(0.1, rel=0.05)


def test_variation_is_the_coefficient_of_variation() -> None:
    assert variation([1.0, 1.0]) == 0.0
    assert variation([9.0, 11.0]) == pytest.approx(2**0.5 / 10)


def test_speedup_is_the_median_of_paired_ratios() -> None:
    slow = measurement("teacher", 2.0, 40.0, 6.0)
    fast = measurement("student", 1.0, 10.0, 2.0)
    assert (
        speedup(slow, fast) == 3.0
    )  # of 2, 4 and 3: unpaired medians would give 3 / 2
    assert speedup(slow, slow) == 1.0
    assert speedup(fast, slow) == pytest.approx(1 / 3)


def test_speedup_refuses_what_was_not_measured_alike() -> None:
    one = measurement("a", 1.0, 1.0)
    with pytest.raises(MeasurementError, match=r"different devices \(local and pi\)"):
        speedup(one, measurement("b", 1.0, 1.0, device="pi"))
    with pytest.raises(MeasurementError, match="numbers of launches"):
        speedup(one, measurement("b", 1.0))


@pytest.mark.parametrize(
    ("first", "again", "counts"),
    [(1.0, 1.3, 1.3), (1.0, 1.02, 1.02), (3.4, 1.2, 1.2), (3.4, 3.3, 3.3)],
)
def test_the_measurement_in_the_middle_is_the_likelier(
    first: float, again: float, counts: float
) -> None:
    assert contradicts(first, 1.29) and not contradicts(1.3, 1.29)
    assert likelier(first, again, 1.29) == counts
