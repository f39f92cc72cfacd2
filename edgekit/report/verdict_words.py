"""Why a candidate was chosen or lost, and why a budget fits, is over or is unproven."""

from __future__ import annotations

from typing import assert_never

from edgekit.report.measurement_words import doubts
from edgekit.types import BudgetVerdict, Candidate, shown_loss
from edgekit.types.report import (
    Fastest,
    LockedChoice,
    NearestToBudget,
    NotOnTarget,
    NotProven,
    NotSettled,
    OtherRuntimePreferred,
    Outcome,
    OverBudget,
    Slower,
)

_NOT_MEASURED = "not measured"


def budget_reason(verdict: BudgetVerdict) -> str:
    """Why a budget fits, is over, or is unproven."""
    if verdict.verdict == "unproven" or verdict.value is None:
        return _unproven(verdict)
    value, limit = verdict.value, verdict.limit
    if verdict.name == "speedup":
        against = f"the unpruned fp32 network on {verdict.against}, same run"
        return f"{value:.2f}x against {against}; {limit:g}x required"
    if verdict.verdict == "fits":
        return f"{value:.4g} of {limit:g} allowed"
    return f"{value:.4g}, {limit:g} allowed: over by {value - limit:.4g}"


def _unproven(verdict: BudgetVerdict) -> str:
    match verdict.unproven:
        case NotOnTarget(target=target, device=device):
            return (
                f"no {target} is attached: this was measured on {device}, which proves "
                "nothing about the board"
            )
        case NotProven(reasons=reasons):
            return doubts(reasons) or _NOT_MEASURED
        case NotSettled():
            return _unsettled(verdict, verdict.unproven)
        case None:
            return _NOT_MEASURED
        case other:
            assert_never(other)


def _unsettled(verdict: BudgetVerdict, doubt: NotSettled) -> str:
    words = (
        f"{doubt.samples} samples do not show with {doubt.confidence:.0%} confidence on which "
        f"side of {verdict.limit:g} the loss is"
    )
    if doubt.settling is None:
        return words
    return f"{words}; about {doubt.settling:,} would"


def missed(verdict: BudgetVerdict) -> str:
    """By what a candidate misses a budget."""
    value, limit = verdict.value, verdict.limit
    if verdict.name == "accuracy_drop" and value is not None and verdict.unit:
        allowed = shown_loss(limit, verdict.unit).removesuffix(" points")
        lost = shown_loss(value, verdict.unit)
        return f"loses {lost} of {verdict.metric}, {allowed} allowed"
    if verdict.name == "size_mb" and value is not None:
        return f"{value:.4g} MB, {limit:g} MB allowed"
    return f"{verdict.name}: {budget_reason(verdict)}"


def outcome(candidate: Candidate) -> str:
    """Why a candidate was chosen, or lost; empty before there was a choice."""
    if candidate.outcome is None:
        return ""
    text, ratio = _outcome(candidate.outcome), candidate.latency_over_fp32
    if ratio is None:
        return text
    precision = candidate.artifact.precision
    return f"{text}; {precision} is slower than fp32 here, {ratio:.2f}x"


def _outcome(found: Outcome) -> str:
    match found:
        case Fastest():
            return "the fastest that keeps the budget"
        case Slower(than=than, latency_ratio=None):
            return f"not timed beside {than}"
        case Slower(than=than, latency_ratio=ratio):
            return f"{ratio:.2f}x the latency of {than}"
        case OverBudget(missed=verdict):
            return missed(verdict)
        case OtherRuntimePreferred(preferred=preferred):
            return (
                f"the profile prefers {preferred}, and timings of another machine cannot "
                "decide between runtimes"
            )
        case NearestToBudget():
            fault = f": {_outcome(found.fault)}" if found.fault else ""
            return f"nothing keeps the budget; this one is nearest{fault}"
        case LockedChoice():
            return "the lock file names it"
        case other:
            assert_never(other)
