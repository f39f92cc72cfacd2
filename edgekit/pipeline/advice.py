"""One sentence of advice where no network keeps the budget: the nearest one, and the lever."""

from __future__ import annotations

import math
from dataclasses import replace

from edgekit.bench.verdict import at_most
from edgekit.pipeline.closed_loop import still_improving
from edgekit.types import Budget, Candidate, FrontierPoint, Report
from edgekit.types.notes import Advice, Lever

_FEW = 5000
"""Training samples below which more of them are worth more than more epochs."""
_FLOAT = ("fp32", "fp16")
_Row = FrontierPoint | Candidate


def with_advice(report: Report, train_samples: int, *, labeled: bool = True) -> Report:
    """The report with advice as its first note, where there is any."""
    advice = advise(report, train_samples, labeled=labeled)
    return report if advice is None else replace(report, notes=(advice, *report.notes))


def advise(
    report: Report, train_samples: int, *, labeled: bool = True
) -> Advice | None:
    """The nearest accuracy at this speed, the nearest speed at this accuracy, and what to change.

    `None` where both budgets are kept, where nothing that was measured keeps either, and where
    something keeps both: on validation data, and the test data decide otherwise.
    """
    budget = report.budget
    missed = {v.name for v in report.verdicts if v.verdict == "over"}
    if not missed & {"accuracy_drop", "speedup", "latency_ms"}:
        return None
    if any(v.name == "latency_ms" and v.verdict == "unproven" for v in report.verdicts):
        budget = replace(budget, latency_ms=None)  # no row's latency is the target's
    rows: list[_Row] = [*report.frontier, *report.candidates]
    if any(_fast(one, budget) and _accurate(one, budget) for one in report.frontier):
        return None
    fast = [one for one in rows if _fast(one, budget)]
    accurate = [one for one in rows if _accurate(one, budget)]
    if not fast and not accurate:
        return None
    drop = min((one.accuracy_drop for one in fast), default=None)
    faster = max((one.speedup for one in accurate), default=None)
    latency_ms = min(map(_p50_ms, accurate), default=math.inf)
    return Advice(
        accuracy_drop=drop if budget.accuracy_drop is not None else None,
        speedup=faster if budget.speedup is not None else None,
        latency_ms=latency_ms if budget.latency_ms and latency_ms < math.inf else None,
        lever=_lever(report, train_samples, labeled=labeled),
    )


def _fast(row: _Row, budget: Budget) -> bool:
    speedup, latency_ms = budget.speedup, budget.latency_ms
    fast = speedup is None or at_most(speedup, row.speedup)
    return fast and (latency_ms is None or at_most(_p50_ms(row), latency_ms))


def _p50_ms(row: _Row) -> float:
    """The median latency; infinite where there is none."""
    latency = row if isinstance(row, FrontierPoint) else row.measurement.latency
    found = latency.p50_ms
    return math.inf if found is None else found


def _accurate(row: _Row, budget: Budget) -> bool:
    limit = budget.accuracy_drop
    return limit is None or row.keeps(limit)


def _lever(report: Report, train_samples: int, *, labeled: bool) -> Lever:
    """The most promising change: precision, a longer training, labels, or more data."""
    limit = report.budget.accuracy_drop
    floats = [c for c in report.candidates if c.artifact.precision in _FLOAT]
    if limit is not None and any(one.keeps(limit) for one in floats):
        return "precision"
    if still_improving(report.best_epoch, len(report.epochs)):
        return "epochs"
    if not labeled:
        return "labels"
    return "data" if train_samples < _FEW else "resolution"
