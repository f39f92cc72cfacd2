"""A measurement against what is expected: it is repeated, and two that agree are believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.pipeline.evaluate import Benchmark
from edgekit.pipeline.repeated import contradicted, likelier
from tests.unit.bench.test_verdict import candidate

FP32 = candidate(precision="fp32", speedup=1.5)
INT8 = candidate(precision="int8", speedup=3.0)


def timed(speedup: float) -> Benchmark:
    return Benchmark(
        reference=FP32.evaluation,
        unpruned=(FP32.measurement,),
        candidates=(FP32, replace(INT8, speedup=speedup)),
    )


@pytest.mark.parametrize(
    ("speedup", "off"),
    [(3.0, False), (3.4, False), (2.65, False), (3.5, True), (2.5, True)],
)
def test_a_speed_up_far_from_the_expected_one_contradicts_it(
    speedup: float, off: bool
) -> None:
    names = contradicted(timed(speedup), {"litert-int8": 3.0, "not-there": 1.0})
    assert names == (["litert-int8"] if off else [])


@pytest.mark.parametrize(
    ("first", "again", "counts"),
    [
        (1.6, 2.95, 2.95),  # a busy spell
        (4.1, 2.9, 2.9),
        (1.6, 1.65, 1.65),  # the second repeats the first: the expectation is wrong
        (1.65, 1.6, 1.65),
        (1.6, 3.3, 3.3),
    ],
)
def test_the_measurement_in_the_middle_counts(
    first: float, again: float, counts: float
) -> None:
    one, other = timed(first), timed(again)
    found = likelier(one, other, {"litert-int8": 3.0})
    assert found is (one if counts == first else other)
