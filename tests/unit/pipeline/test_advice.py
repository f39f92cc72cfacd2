"""Advice is arithmetic on what was measured: the nearest budgets, and the lever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.bench.verdict import verdicts
from edgekit.config import targets
from edgekit.pipeline.advice import advise, with_advice
from edgekit.types import Budget, Epoch, FrontierPoint, Report
from edgekit.types.notes import Advice
from tests import reports
from tests.unit.bench.test_verdict import candidate

BUDGET = Budget(speedup=2.0, accuracy_drop=0.01)


def point(speedup: float, drop: float) -> FrontierPoint:
    one = candidate(speedup=speedup, drop=drop)
    return FrontierPoint(
        name="trained 1",
        artifact="litert-fp32",
        speedup=speedup,
        p50_ms=1.0,
        evaluation=one.evaluation,
        accuracy_drop=drop,
        loss_unit="points",
        within=False,
    )


def missed(best_epoch: int = 3, fp32_drop: float = 0.03) -> Report:
    """Over its accuracy, with ten epochs of training."""
    fp32 = candidate(speedup=2.1, drop=fp32_drop)
    int8 = replace(candidate(precision="int8", speedup=4.0, drop=0.02), chosen=True)
    epochs = [Epoch(number=n, loss=1.0, validation=0.5, seconds=1) for n in range(11)]
    return replace(
        reports.report(),
        budget=BUDGET,
        verdicts=verdicts(int8, BUDGET, targets.load("host")),
        candidates=(fp32, int8),
        frontier=(point(1.0, 0.0), point(1.6, 0.004), point(2.2, 0.013)),
        epochs=tuple(epochs),
        best_epoch=best_epoch,
    )


def test_the_nearest_accuracy_and_the_nearest_speed_are_named() -> None:
    found = advise(missed(), 10_000)
    assert found == Advice(accuracy_drop=0.013, speedup=1.6, lever="resolution")


@pytest.mark.parametrize(
    ("report", "samples", "lever"),
    [
        (missed(best_epoch=10), 10_000, "epochs"),
        (missed(), 1000, "data"),
        (missed(fp32_drop=0.005), 1000, "precision"),
    ],
)
def test_the_lever_follows_from_the_training(
    report: Report, samples: int, lever: str
) -> None:
    found = advise(report, samples)
    assert found is not None and found.lever == lever


@pytest.mark.parametrize(("best_epoch", "lever"), [(3, "labels"), (10, "epochs")])
def test_without_labels_they_are_what_a_training_that_ended_lacks(
    best_epoch: int, lever: str
) -> None:
    found = advise(missed(best_epoch=best_epoch), 1000, labeled=False)
    assert found is not None and found.lever == lever
    assert with_advice(missed(), 1000, labeled=False).notes[0] == replace(
        found, lever="labels"
    )


def test_a_point_that_keeps_the_accuracy_up_to_rounding_keeps_it() -> None:
    """The mean of a metric in float32 is off by a unit in the last place."""
    value = replace(candidate().evaluation, correct=None, counted=None, value=0.9)
    near = replace(point(1.8, 0.01 + 1e-8), evaluation=value)
    report = replace(missed(), frontier=(*missed().frontier, near))
    found = advise(report, 10_000)
    assert found is not None and found.speedup == 1.8


def test_a_latency_of_the_target_itself_has_advice_in_milliseconds() -> None:
    budget = Budget(latency_ms=1.0, accuracy_drop=0.01)
    over = replace(missed().verdicts[0], name="latency_ms", verdict="over")
    rows = (
        replace(point(1.0, 0.0), p50_ms=3.0),
        replace(point(1.6, 0.004), p50_ms=1.7),
        replace(point(2.2, 0.013), p50_ms=0.9),
    )
    report = replace(
        missed(), budget=budget, verdicts=(over,), candidates=(), frontier=rows
    )
    found = advise(report, 10_000)
    assert found is not None
    assert (found.accuracy_drop, found.speedup, found.latency_ms) == (0.013, None, 1.7)
    unproven = replace(over, verdict="unproven")
    lost = replace(over, name="accuracy_drop")
    here = advise(replace(report, verdicts=(unproven, lost)), 10_000)
    assert here is None, "some file keeps the accuracy, and no latency is known"


def test_a_network_that_keeps_all_on_validation_data_gets_no_advice() -> None:
    """No other budget than the user's would have been kept there."""
    report = missed()
    kept = replace(report, frontier=(*report.frontier, point(2.1, 0.001)))
    assert advise(report, 10_000) is not None and advise(kept, 10_000) is None


def test_what_is_kept_or_unproven_needs_no_advice() -> None:
    report = missed()
    kept = replace(report, verdicts=())
    assert advise(kept, 1000) is None and with_advice(kept, 1000) is kept
    assert isinstance(with_advice(report, 1000).notes[0], Advice)
    far = replace(report, frontier=(), budget=Budget(speedup=9.0, accuracy_drop=0.001))
    assert advise(far, 1000) is None
