"""The contract: which candidate wins, and whether each budget fits, is over, or is unproven."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgekit.types import (
    Budget,
    BudgetVerdict,
    Candidate,
    Measurement,
    RuntimeName,
    Target,
    Verdict,
)
from edgekit.types.report import (
    Fastest,
    Fault,
    NearestToBudget,
    NotOnTarget,
    NotProven,
    NotSettled,
    OtherRuntimePreferred,
    Outcome,
    OverBudget,
    Slower,
    Unproven,
)

_ROUNDING = 1e-12
"""Fraction of a measured figure that float arithmetic may add or take: a few last digits."""
_LEAST_LIMIT = 1e-3
"""Substitute for an allowed loss of 0 where an excess is a fraction of its limit."""


def choose(
    candidates: Sequence[Candidate],
    budget: Budget,
    preferred: RuntimeName | None,
    priority: Sequence[str] = (),
) -> tuple[Candidate, ...]:
    """Mark the fastest candidate that keeps the budget and give the reason why each other one
    lost.

    `preferred` limits the choice to one runtime: where the timings are another machine's, they
    cannot decide between runtimes. Where nothing keeps the budget, the nearest is marked, and
    the verdicts give its misses; `priority` names the budgets, the weightiest first.
    """
    faults = {c.artifact.name: _fault(c, budget, preferred) for c in candidates}
    eligible = [
        c for c in candidates if c.artifact.runtime == preferred or not preferred
    ]
    sound = [c for c in eligible if faults[c.artifact.name] is None]
    winner = min(
        sound,
        key=_p50,
        default=nearest(eligible or candidates, budget, priority),
    )
    return tuple(
        replace(
            candidate,
            chosen=candidate is winner,
            outcome=_outcome(
                candidate, winner, faults[candidate.artifact.name], bool(sound)
            ),
            latency_over_fp32=_latency_over_fp32(candidate, candidates),
        )
        for candidate in candidates
    )


def nearest(
    candidates: Sequence[Candidate], budget: Budget, priority: Sequence[str]
) -> Candidate:
    """The candidate that violates the budgets least, taken together.

    Its latency is at most the unpruned network's where a faster one loses no more than noise.
    """

    def rank(candidate: Candidate) -> tuple[float, float]:
        return violation(candidate, budget, priority), _p50(candidate)

    best = min(candidates, key=rank)
    if best.speedup >= 1:
        return best
    noise = best.evaluation.noise
    if best.relative_drop:
        noise /= max(abs(best.evaluation.value), noise, 1e-12)
    most = best.accuracy_drop + noise
    faster = [c for c in candidates if c.speedup > 1 and c.keeps(most)]
    return min(faster, key=rank, default=best)


def violation(
    candidate: Candidate, budget: Budget, priority: Sequence[str] = ()
) -> float:
    """By how much of each limit a candidate is over it, summed over the budgets.

    Each counts half as much as the one before it in `priority`; budgets that are not named
    there follow in the order of `Budget`. An unproven budget counts nothing.
    """
    given = [*budget.limits()]
    order = dict.fromkeys((*(name for name in priority if name in given), *given))
    weights = {name: 0.5**place for place, name in enumerate(order)}
    return sum(
        weights[verdict.name] * _excess(verdict, verdict.value)
        for verdict in _found(candidate, budget, "target")
        if verdict.verdict == "over" and verdict.value is not None
    )


def _excess(verdict: BudgetVerdict, value: float) -> float:
    limit = verdict.limit or _LEAST_LIMIT
    ratio = value / limit
    if verdict.name == "speedup":
        ratio = limit / max(value, 1e-12)
    return max(0.0, ratio - 1)


def _latency_over_fp32(
    candidate: Candidate, candidates: Sequence[Candidate]
) -> float | None:
    """Latency over that of the same network in fp32, of a quantized artifact that is slower."""
    artifact = candidate.artifact
    if not (artifact.precision or "").startswith("int"):
        return None
    for other in candidates:
        same = other.artifact.runtime == artifact.runtime
        if same and other.artifact.precision == "fp32" and _p50(other):
            ratio = _p50(candidate) / _p50(other)
            if 1 < ratio < math.inf:
                return ratio
    return None


def _p50(candidate: Candidate) -> float:
    p50 = candidate.measurement.latency.p50_ms
    return float("inf") if p50 is None else p50


def _fault(
    candidate: Candidate, budget: Budget, preferred: RuntimeName | None
) -> Fault | None:
    """Why this one may not win, whatever its speed."""
    for verdict in _found(candidate, budget, "target"):
        if verdict.verdict == "over":
            return OverBudget(missed=verdict)
    if preferred and candidate.artifact.runtime != preferred:
        return OtherRuntimePreferred(preferred=preferred)
    return None


def _outcome(
    candidate: Candidate, winner: Candidate, fault: Fault | None, sound: bool
) -> Outcome:
    if candidate is winner:
        return Fastest() if sound else NearestToBudget(fault=fault)
    if fault is not None:
        return fault
    ratio = _p50(candidate) / (_p50(winner) or math.nan)
    known = math.isfinite(ratio)
    return Slower(than=winner.artifact.name, latency_ratio=ratio if known else None)


def verdicts(
    chosen: Candidate, budget: Budget, target: Target, *, macs: int | None = None
) -> tuple[BudgetVerdict, ...]:
    """One verdict a budget that the user set, the unproven ones first.

    `macs` is the student's count, which no measurement has.
    """
    order: tuple[Verdict, ...] = ("over", "unproven", "fits")
    found = [
        *_found(chosen, budget, target.name),
        *_operations(budget.mmacs, macs),
    ]
    return tuple(sorted(found, key=lambda verdict: order.index(verdict.verdict)))


def _found(
    candidate: Candidate, budget: Budget, target: str
) -> Iterator[BudgetVerdict]:
    """Verdicts of measurements on each budget that is set."""
    measured, energy = candidate.measurement, candidate.measurement.energy
    absent: Unproven | None = None
    if measured.provenance != "device":
        absent = NotOnTarget(target=target, device=measured.device)
    doubt = NotProven(reasons=energy.reasons) if energy.reasons else None
    rows = (
        ("latency_ms", budget.latency_ms, measured.latency.p50_ms, absent),
        ("memory_mb", budget.memory_mb, measured.peak_memory_mb, absent),
        ("energy_mj", budget.energy_mj, energy.gross_mj, absent or doubt),
        ("size_mb", budget.size_mb, measured.size_mb, None),
    )
    for name, limit, value, unproven in rows:
        if limit is not None:
            yield _verdict(name, limit, value, measured, unproven)
    if budget.accuracy_drop is not None:
        yield _accuracy(budget.accuracy_drop, budget.accuracy_confidence, candidate)
    if budget.speedup is not None:
        yield _speedup(budget.speedup, candidate)


def _accuracy(
    limit: float, confidence: float | None, chosen: Candidate
) -> BudgetVerdict:
    """By the estimate; with a `confidence` by what other samples would surely show."""
    loss = chosen.loss
    verdict: Verdict = "fits" if chosen.keeps(limit) else "over"
    unproven: Unproven | None = None
    if confidence is not None:
        verdict, unproven = _surely(limit, confidence, chosen)
    return BudgetVerdict(
        name="accuracy_drop",
        limit=limit,
        value=chosen.accuracy_drop,
        verdict=verdict,
        provenance=chosen.measurement.provenance,
        unproven=unproven,
        metric=chosen.evaluation.metric,
        unit=chosen.loss_unit,
        interval=loss.interval if loss else None,
    )


def _surely(
    limit: float, confidence: float, chosen: Candidate
) -> tuple[Verdict, Unproven | None]:
    loss = chosen.loss
    if loss is None:
        samples = chosen.evaluation.samples
        doubt = NotSettled(confidence=confidence, samples=samples, settling=None)
        return "unproven", doubt
    least, most = loss.bounds(confidence)
    if at_most(most, limit):
        return "fits", None
    if least > limit:
        return "over", None
    return "unproven", NotSettled(
        confidence=confidence,
        samples=loss.samples,
        settling=loss.settling(limit, confidence),
    )


def _speedup(limit: float, chosen: Candidate) -> BudgetVerdict:
    measured = chosen.measurement
    return BudgetVerdict(
        name="speedup",
        limit=limit,
        value=chosen.speedup,
        verdict="fits" if at_most(limit, chosen.speedup) else "over",
        provenance=measured.provenance,
        against=chosen.artifact.runtime,
    )


def _operations(limit: float | None, macs: int | None) -> Iterator[BudgetVerdict]:
    """Arithmetic from shapes: the same on every device."""
    if limit is None:
        return
    value = None if macs is None else macs / 1e6
    fits = value is not None and value <= limit
    yield BudgetVerdict(
        name="mmacs",
        limit=limit,
        value=value,
        verdict="unproven" if value is None else "fits" if fits else "over",
        provenance="estimated",
    )


def _verdict(
    name: str,
    limit: float,
    value: float | None,
    measured: Measurement,
    unproven: Unproven | None,
) -> BudgetVerdict:
    verdict: Verdict = "unproven"
    if value is None:
        unproven = unproven or NotProven()
    elif not unproven:
        verdict = "fits" if at_most(value, limit) else "over"
    return BudgetVerdict(
        name=name,
        limit=limit,
        value=value,
        verdict=verdict,
        provenance=measured.provenance,
        unproven=unproven,
    )


def at_most(value: float, limit: float) -> bool:
    """Return whether a measured figure is at most `limit`, up to the rounding of its arithmetic.

    0.3 ms over 0.1 ms is a ratio of 3, and 2.9999999999999996 in floats.
    """
    return value <= limit + _ROUNDING * abs(limit)
