from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit import targets
from edgekit.bench.verdict import choose, verdicts
from edgekit.types import (
    Artifact,
    Budget,
    Candidate,
    CostSource,
    Energy,
    Evaluation,
    Latency,
    Measurement,
    Parity,
    Precision,
    RuntimeName,
)

BUDGET = Budget(speedup=2.0, accuracy_drop=0.01)


def candidate(
    runtime: RuntimeName = "litert",
    precision: Precision = "fp32",
    p50_ms: float = 1.0,
    drop: float = 0.0,
    speedup: float = 3.0,
) -> Candidate:
    name = f"{runtime}-{precision}"
    latency = Latency(
        p50_ms=p50_ms,
        p90_ms=None,
        p95_ms=None,
        p99_ms=None,
        samples=100,
        launches=3,
        launch_p50_ms=(p50_ms,) * 3,
    )
    return Candidate(
        artifact=Artifact(
            name=name,
            runtime=runtime,
            precision=precision,
            files=(Path(name),),
            inputs=(),
            outputs=(),
        ),
        parity=Parity(relative_error=0, agreement=1, samples=10),
        evaluation=Evaluation(metric="accuracy", value=1 - drop, samples=10),
        measurement=Measurement(
            artifact=name,
            device="local",
            source="host",
            runtime=runtime,
            runtime_version="1",
            threads=1,
            latency=latency,
            load_ms=1,
            first_ms=1,
            peak_memory_mb=30,
            size_mb=0.5,
            energy=Energy(reason="no meter"),
        ),
        speedup=speedup,
        accuracy_drop=drop,
    )


def winner(
    *candidates: Candidate,
    budget: Budget = BUDGET,
    preferred: RuntimeName | None = None,
) -> str:
    [chosen] = [c for c in choose(candidates, budget, preferred) if c.chosen]
    return chosen.artifact.name


def test_the_fastest_that_keeps_the_accuracy_wins() -> None:
    slow = candidate(precision="fp32", p50_ms=2.0)
    fast = candidate(precision="int8", p50_ms=1.0)
    assert winner(slow, fast) == "litert-int8"
    assert winner(slow, replace(fast, accuracy_drop=0.02)) == "litert-fp32"


def test_another_machine_cannot_decide_between_runtimes() -> None:
    ours = candidate("litert", p50_ms=2.0)
    other = candidate("onnxruntime", p50_ms=1.0)
    assert winner(ours, other) == "onnxruntime-fp32"
    assert winner(ours, other, preferred="litert") == "litert-fp32"


def test_too_big_a_file_loses() -> None:
    fast = candidate(precision="fp32", p50_ms=1.0)
    small = replace(candidate(precision="int8", p50_ms=2.0))
    small = replace(small, measurement=replace(small.measurement, size_mb=0.1))
    assert winner(fast, small, budget=Budget(size_mb=0.2)) == "litert-int8"


def test_every_loser_has_its_reason() -> None:
    chosen = choose(
        [
            candidate(precision="fp32", p50_ms=2.0),
            candidate(precision="int8", p50_ms=1.0, drop=0.05),
            candidate("onnxruntime", p50_ms=0.5),
        ],
        BUDGET,
        "litert",
    )
    assert [c.why.split(",")[0] for c in chosen] == [
        "the fastest that keeps the budget",
        "loses 5.00 points of accuracy",
        "the profile prefers litert",
    ]


def test_where_nothing_keeps_the_budget_the_nearest_is_marked() -> None:
    worse, worst = (
        candidate(drop=0.03),
        candidate(precision="int8", drop=0.06, p50_ms=0.1),
    )
    assert winner(worse, worst) == "litert-fp32"
    [accuracy] = [
        v
        for v in verdicts(worse, BUDGET, targets.load("host"))
        if v.name == "accuracy_drop"
    ]
    assert accuracy.verdict == "over"


@pytest.mark.parametrize(
    ("source", "expected"), [("host", "unproven"), ("device", "fits")]
)
def test_milliseconds_of_another_machine_prove_nothing(
    source: CostSource, expected: str
) -> None:
    one = candidate(p50_ms=1.0)
    one = replace(one, measurement=replace(one.measurement, source=source))
    [verdict] = verdicts(one, Budget(latency_ms=20), targets.load("raspberrypi"))
    assert verdict.verdict == expected


def test_a_missing_figure_cannot_satisfy_a_budget() -> None:
    one = candidate()
    one = replace(one, measurement=replace(one.measurement, source="device"))
    [verdict] = verdicts(one, Budget(energy_mj=5), targets.load("raspberrypi"))
    assert (verdict.verdict, verdict.value, verdict.why) == (
        "unproven",
        None,
        "no meter",
    )


def test_a_speedup_below_what_was_asked_is_over() -> None:
    [verdict] = verdicts(
        candidate(speedup=1.9), Budget(speedup=2), targets.load("host")
    )
    assert verdict.verdict == "over"
    assert "1.90x" in verdict.why
