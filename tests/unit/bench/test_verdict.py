from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench.verdict import choose, verdicts, violation
from edgekit.config import targets
from edgekit.report.verdict_words import budget_reason, outcome
from edgekit.types import (
    Artifact,
    Budget,
    Candidate,
    Energy,
    Evaluation,
    Latency,
    Measurement,
    PairedLoss,
    Parity,
    Precision,
    Provenance,
    RuntimeName,
)
from edgekit.types.measurement_notes import NoMeter
from edgekit.types.report import Fastest, OtherRuntimePreferred, OverBudget, Slower

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
            provenance="host",
            runtime=runtime,
            runtime_version="1",
            threads=1,
            latency=latency,
            load_ms=1,
            first_ms=1,
            peak_memory_mb=30,
            size_mb=0.5,
            energy=Energy(reasons=(NoMeter(detail="no meter"),)),
        ),
        speedup=speedup,
        accuracy_drop=drop,
    )


def winner(
    *candidates: Candidate,
    budget: Budget = BUDGET,
    preferred: RuntimeName | None = None,
    priority: tuple[str, ...] = (),
) -> str:
    found = choose(candidates, budget, preferred, priority)
    [chosen] = [c for c in found if c.chosen]
    return chosen.artifact.name


def on_device(one: Candidate, **changes: Any) -> Candidate:
    measured = replace(one.measurement, provenance="device", **changes)
    return replace(one, measurement=measured)


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
    assert [outcome(c).split(",")[0] for c in chosen] == [
        "the fastest that keeps the budget",
        "loses 5.00 points of accuracy",
        "the profile prefers litert",
    ]
    kept, lost, foreign = (c.outcome for c in chosen)
    assert kept == Fastest()
    assert isinstance(lost, OverBudget)
    assert (lost.missed.name, lost.missed.value) == ("accuracy_drop", 0.05)
    assert foreign == OtherRuntimePreferred(preferred="litert")


def test_the_latency_of_a_loser_is_a_ratio_and_int8_is_held_against_fp32() -> None:
    slow, fast = choose(
        [
            candidate(precision="int8", p50_ms=3.0),
            candidate(precision="fp32", p50_ms=2.0),
        ],
        BUDGET,
        None,
    )
    assert slow.outcome == Slower(than="litert-fp32", latency_ratio=1.5)
    assert (slow.latency_over_fp32, fast.latency_over_fp32) == (1.5, None)
    assert outcome(slow) == (
        "1.50x the latency of litert-fp32; int8 is slower than fp32 here, 1.50x"
    )


def test_a_loser_without_a_latency_has_no_ratio() -> None:
    untimed = candidate(precision="int8")
    latency = replace(untimed.measurement.latency, p50_ms=None)
    untimed = replace(
        untimed, measurement=replace(untimed.measurement, latency=latency)
    )
    found, _ = choose([untimed, candidate()], BUDGET, None)
    assert found.outcome == Slower(than="litert-fp32", latency_ratio=None)
    assert found.latency_over_fp32 is None


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
    ("provenance", "expected"), [("host", "unproven"), ("device", "fits")]
)
def test_milliseconds_of_another_machine_prove_nothing(
    provenance: Provenance, expected: str
) -> None:
    one = candidate(p50_ms=1.0)
    one = replace(one, measurement=replace(one.measurement, provenance=provenance))
    [verdict] = verdicts(one, Budget(latency_ms=20), targets.load("raspberrypi"))
    assert verdict.verdict == expected


def test_a_missing_figure_cannot_satisfy_a_budget() -> None:
    one = candidate()
    one = replace(one, measurement=replace(one.measurement, provenance="device"))
    [verdict] = verdicts(one, Budget(energy_mj=5), targets.load("raspberrypi"))
    assert (verdict.verdict, verdict.value, budget_reason(verdict)) == (
        "unproven",
        None,
        "no meter",
    )


def test_a_speedup_below_what_was_asked_is_over() -> None:
    [verdict] = verdicts(
        candidate(speedup=1.9), Budget(speedup=2), targets.load("host")
    )
    assert verdict.verdict == "over"
    assert "1.90x" in budget_reason(verdict)


def test_a_quarter_of_a_point_does_not_buy_a_network_slower_than_the_baseline() -> None:
    slow = candidate(precision="fp32", p50_ms=4.4, drop=0.0225, speedup=1 / 4.4)
    fast = candidate(precision="int8", p50_ms=0.5, drop=0.025, speedup=2.1)
    budget = Budget(speedup=3.0, accuracy_drop=0.01)
    for order in (("speedup", "accuracy_drop"), ("accuracy_drop", "speedup")):
        assert winner(slow, fast, budget=budget, priority=order) == "litert-int8"


def test_nor_where_speed_is_not_a_budget_and_the_loss_is_noise() -> None:
    """10 samples: one standard error of 97 % is 5 points."""
    slow = candidate(precision="fp32", p50_ms=4.4, drop=0.0225, speedup=0.9)
    fast = candidate(precision="int8", p50_ms=0.5, drop=0.03, speedup=2.1)
    budget = Budget(accuracy_drop=0.01)
    assert winner(slow, fast, budget=budget) == "litert-int8"
    far = replace(fast, accuracy_drop=0.2)
    assert winner(slow, far, budget=budget) == "litert-fp32"


def test_the_first_budget_weighs_most() -> None:
    loses = candidate(precision="fp32", drop=0.012, speedup=2.0)
    slow = candidate(precision="int8", drop=0.01, speedup=2 / 1.2)
    assert winner(loses, slow, priority=("accuracy_drop", "speedup")) == "litert-int8"
    assert winner(loses, slow, priority=("speedup", "accuracy_drop")) == "litert-fp32"


def test_violations_are_summed_over_the_budgets() -> None:
    budget = Budget(size_mb=0.4, speedup=2.0, accuracy_drop=0.01)
    order = ("size_mb", "speedup", "accuracy_drop")
    one = candidate(drop=0.02, speedup=1.6)
    # 0.5 MB of 0.4, twice the points, 1.25 times too slow: 0.25 + 0.25 / 2 + 1 / 4.
    assert violation(one, budget, order) == pytest.approx(0.625)
    assert violation(candidate(), Budget(speedup=2.0)) == 0


def test_a_budget_that_a_slower_one_keeps_is_not_missed_for_speed() -> None:
    fast = on_device(candidate(precision="int8", p50_ms=1.0), peak_memory_mb=70)
    small = on_device(candidate(precision="fp32", p50_ms=2.0), peak_memory_mb=50)
    budget = Budget(memory_mb=64)
    assert winner(fast, small, budget=budget) == "litert-fp32"
    here = [
        replace(c, measurement=replace(c.measurement, provenance="host"))
        for c in (fast, small)
    ]
    assert winner(*here, budget=budget) == "litert-int8"  # proves nothing of the board


def test_an_allowed_loss_of_nothing_can_be_ranked() -> None:
    budget = Budget(accuracy_drop=0.0)
    assert violation(candidate(drop=0.002), budget) == pytest.approx(1.0)
    assert violation(candidate(drop=0.0), budget) == 0


@pytest.mark.parametrize(
    ("budget", "changes"),
    [
        (Budget(size_mb=0.1), {"size_mb": 0.1}),
        (Budget(memory_mb=33.3), {"peak_memory_mb": 33.3}),
        (Budget(energy_mj=0.3), {"energy": Energy(gross_mj=0.1 + 0.2)}),
    ],
)
def test_what_is_exactly_at_its_budget_fits(
    budget: Budget, changes: dict[str, Any]
) -> None:
    one = on_device(candidate(), **changes)
    [found] = verdicts(one, budget, targets.load("raspberrypi"))
    assert found.verdict == "fits"


def test_a_ratio_that_floats_round_down_fits() -> None:
    one = candidate(speedup=0.3 / 0.1)  # 2.9999999999999996
    [found] = verdicts(one, Budget(speedup=3), targets.load("host"))
    assert found.verdict == "fits"


@pytest.mark.parametrize(("macs", "expected"), [(1234567, "fits"), (1234568, "over")])
def test_operations_are_compared_as_written(macs: int, expected: str) -> None:
    budget = Budget(mmacs=1.2345678)
    [found] = verdicts(candidate(), budget, targets.load("host"), macs=macs)
    assert found.verdict == expected


@pytest.mark.parametrize(
    ("error", "found"), [(0.001, "fits"), (0.004, "unproven"), (None, "unproven")]
)
def test_accuracy_with_confidence_is_of_other_samples_too(
    error: float | None, found: str
) -> None:
    loss = error and PairedLoss(drop=0.005, error=error, samples=500, method="mcnemar")
    one = replace(candidate(drop=0.005), loss=loss or None)
    sure = replace(BUDGET, accuracy_confidence=0.95)
    [accuracy] = [
        v
        for v in verdicts(one, sure, targets.load("host"))
        if v.name == "accuracy_drop"
    ]
    assert accuracy.verdict == found
    [plain] = [
        v
        for v in verdicts(one, BUDGET, targets.load("host"))
        if v.name == "accuracy_drop"
    ]
    assert plain.verdict == "fits"
    if loss:
        assert accuracy.interval == loss.interval
    if found == "unproven" and loss:
        assert budget_reason(accuracy) == (
            "500 samples do not show with 95% confidence on which side of 0.01 the loss "
            "is; about 866 would"
        )
    surely = replace(
        one,
        loss=PairedLoss(drop=0.03, error=0.001, samples=500, method="mcnemar"),
        accuracy_drop=0.03,
    )
    assert {v.verdict for v in verdicts(surely, sure, targets.load("host"))} == {
        "over",
        "fits",
    }


def test_a_confidence_is_no_budget_of_its_own() -> None:
    assert Budget(accuracy_drop=0.01, accuracy_confidence=0.9).limits() == {
        "accuracy_drop": 0.01
    }
