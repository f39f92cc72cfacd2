"""Files of the unpruned network against the budget: speed of a precision needs no cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.config import targets
from edgekit.pipeline.evaluate import Benchmark
from edgekit.pipeline.frontier import Judged, most_accurate_within
from edgekit.types import Budget, Candidate
from tests.unit.bench.test_verdict import candidate, on_device

TARGET = targets.load("raspberrypi4", folders=[])
FP32 = candidate(precision="fp32", p50_ms=3.0, speedup=1.0)
INT8 = candidate(precision="int8", p50_ms=1.0, speedup=3.0, drop=0.004)


def within(
    budget: Budget, *candidates: Candidate, macs: int = 10**6, proven: bool = False
) -> str | None:
    unpruned = on_device(FP32) if proven else FP32
    timed = Benchmark(
        reference=FP32.evaluation,
        unpruned=(unpruned.measurement,),
        candidates=candidates or (FP32, INT8),
    )
    kept = most_accurate_within(timed, budget, TARGET, macs=macs, proven=proven)
    return kept.artifact.name if kept else None


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (Budget(speedup=1.0), "litert-fp32"),
        (Budget(speedup=2.0, accuracy_drop=0.01), "litert-int8"),
        (Budget(speedup=2.0, accuracy_drop=0.001), None),
        (Budget(speedup=2.95), None),  # what is measured once more may be less
        (Budget(speedup=6.0), None),
        (Budget(), "litert-int8"),  # planned for as 2x
        (Budget(latency_ms=20), "litert-int8"),  # without the device as well
        (Budget(mmacs=1.0), "litert-fp32"),
        (Budget(mmacs=0.9), None),
        (Budget(size_mb=0.1, accuracy_drop=0.01), None),
        (Budget(memory_mb=29), None),
        (Budget(memory_mb=31), "litert-fp32"),
    ],
)
def test_nothing_is_cut_where_a_precision_keeps_every_budget(
    budget: Budget, kept: str | None
) -> None:
    assert within(budget) == kept


def test_the_most_accurate_file_counts_and_the_fastest_of_two_alike() -> None:
    exact = replace(INT8, accuracy_drop=0.0)
    assert within(Budget(speedup=1.0), FP32, INT8) == "litert-fp32"
    assert within(Budget(speedup=1.0), FP32, exact) == "litert-int8"


def test_milliseconds_of_the_device_itself_are_a_verdict() -> None:
    candidates = (on_device(FP32), on_device(INT8))
    assert within(Budget(latency_ms=0.9), *candidates, proven=True) is None
    assert within(Budget(latency_ms=1.1), *candidates, proven=True) == "litert-int8"
    assert within(Budget(latency_ms=4.0), *candidates, proven=True) == "litert-fp32"


def test_an_unknown_peak_of_memory_keeps_no_budget() -> None:
    unknown = replace(FP32.measurement, peak_memory_mb=None)
    assert within(Budget(memory_mb=31), replace(FP32, measurement=unknown)) is None


def test_a_precision_that_takes_the_accuracy_budget_gains_nothing() -> None:
    judged = Judged(candidates=(FP32, INT8))
    assert judged.gain("int8", 0.01) == 3.0
    assert judged.gain("int8", 0.005) == 0.0
    assert judged.gain("int8", None) == 3.0
    assert judged.gain("int16x8", None) == 0.0
    assert Judged().gain("fp32", 0.01) == 1.0
