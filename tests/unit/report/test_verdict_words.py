"""Why a candidate was chosen or lost, and why a budget fits, is over or is unproven."""

from __future__ import annotations

import typing
from dataclasses import replace

import pytest

from edgekit.report.verdict_words import budget_reason, missed, outcome
from edgekit.types import BudgetVerdict, Verdict
from edgekit.types.measurement_notes import NoMeter
from edgekit.types.report import (
    Fastest,
    LockedChoice,
    NearestToBudget,
    NotOnTarget,
    NotProven,
    OtherRuntimePreferred,
    Outcome,
    OverBudget,
    Slower,
)
from tests import reports


def verdict(name: str, value: float | None, found: Verdict) -> BudgetVerdict:
    return BudgetVerdict(
        name=name, limit=2.0, value=value, verdict=found, provenance="host"
    )


SIZE = verdict("size_mb", 3.0, "over")
LOSS = replace(
    verdict("accuracy_drop", 0.05, "over"), limit=0.01, metric="accuracy", unit="points"
)
BUDGETS = (
    (verdict("latency_ms", 1.5, "fits"), "1.5 of 2 allowed"),
    (verdict("latency_ms", 2.5, "over"), "2.5, 2 allowed: over by 0.5"),
    (verdict("energy_mj", None, "unproven"), "not measured"),
    (
        replace(
            verdict("energy_mj", 1.0, "unproven"),
            unproven=NotProven(reasons=(NoMeter(detail="drift"),)),
        ),
        "drift",
    ),
    (
        replace(
            verdict("latency_ms", 1.0, "unproven"),
            unproven=NotOnTarget(target="pi", device="local"),
        ),
        "no pi is attached: this was measured on local, which proves nothing about the board",
    ),
    (
        replace(verdict("speedup", 1.9, "over"), against="litert"),
        "1.90x against the unpruned fp32 network on litert, same run; 2x required",
    ),
)
OUTCOMES = (
    (Fastest(), "the fastest that keeps the budget"),
    (LockedChoice(), "the lock file names it"),
    (Slower(than="a", latency_ratio=1.5), "1.50x the latency of a"),
    (Slower(than="a", latency_ratio=None), "not timed beside a"),
    (OverBudget(missed=SIZE), "3 MB, 2 MB allowed"),
    (
        OtherRuntimePreferred(preferred="litert"),
        "the profile prefers litert, and timings of another machine cannot decide between "
        "runtimes",
    ),
    (
        NearestToBudget(fault=OverBudget(missed=LOSS)),
        "nothing keeps the budget; this one is nearest: loses 5.00 points of accuracy, 1.00 "
        "allowed",
    ),
    (NearestToBudget(fault=None), "nothing keeps the budget; this one is nearest"),
)


@pytest.mark.parametrize(("found", "words"), BUDGETS)
def test_the_reason_of_a_verdict(found: BudgetVerdict, words: str) -> None:
    assert budget_reason(found) == words


@pytest.mark.parametrize(("found", "words"), OUTCOMES)
def test_the_words_of_an_outcome(found: Outcome, words: str) -> None:
    candidate = replace(reports.report().candidates[0], outcome=found)
    assert outcome(candidate) == words


def test_every_outcome_has_words_here() -> None:
    assert {type(found) for found, _ in OUTCOMES} == set(typing.get_args(Outcome))


def test_a_quantized_file_that_is_slower_than_fp32_is_marked() -> None:
    candidate = reports.report().candidates[1]
    slow = replace(candidate, latency_over_fp32=1.35)
    assert outcome(slow) == (
        "the fastest that keeps the budget; int8 is slower than fp32 here, 1.35x"
    )
    assert outcome(replace(candidate, outcome=None)) == ""


def test_a_budget_without_words_of_its_own_is_missed_by_name() -> None:
    assert missed(verdict("memory_mb", 3.0, "over")) == (
        "memory_mb: 3, 2 allowed: over by 1"
    )
