"""The contract: which candidate wins, and whether each budget fits, is over, or is unproven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgekit.types import (
    Budget,
    BudgetVerdict,
    Candidate,
    Measurement,
    RuntimeName,
    Target,
    Verdict,
    shown_loss,
)


def choose(
    candidates: Sequence[Candidate], budget: Budget, preferred: RuntimeName | None
) -> tuple[Candidate, ...]:
    """Mark the fastest candidate that keeps the budget and say why each other one lost.

    `preferred` limits the choice to one runtime: where the timings are another machine's, they
    cannot decide between runtimes. Where nothing keeps the budget, the one that loses least
    accuracy is marked, and the verdicts say what it misses.
    """
    faults = {c.artifact.name: _fault(c, budget, preferred) for c in candidates}
    eligible = [
        c for c in candidates if c.artifact.runtime == preferred or not preferred
    ]
    sound = [c for c in eligible if faults[c.artifact.name] is None]
    if sound:
        winner = min(sound, key=_p50)
    else:
        winner = min(eligible or candidates, key=lambda c: (c.accuracy_drop, _p50(c)))
    return tuple(
        replace(
            candidate,
            chosen=candidate is winner,
            why=_why(candidate, winner, faults[candidate.artifact.name], bool(sound))
            + slower_than_fp32(candidate, candidates),
        )
        for candidate in candidates
    )


def slower_than_fp32(candidate: Candidate, candidates: Sequence[Candidate]) -> str:
    """That a quantised artefact is slower than the same network in fp32, where it is."""
    artifact = candidate.artifact
    if not (artifact.precision or "").startswith("int"):
        return ""
    for other in candidates:
        same = other.artifact.runtime == artifact.runtime
        if same and other.artifact.precision == "fp32" and _p50(other):
            ratio = _p50(candidate) / _p50(other)
            if ratio > 1:
                return f"; {artifact.precision} is slower than fp32 here, {ratio:.2f}x"
    return ""


def _p50(candidate: Candidate) -> float:
    p50 = candidate.measurement.latency.p50_ms
    return float("inf") if p50 is None else p50


def _fault(
    candidate: Candidate, budget: Budget, preferred: RuntimeName | None
) -> str | None:
    """Why this one may not win, whatever its speed."""
    limit = budget.accuracy_drop
    if limit is not None and candidate.accuracy_drop > limit:
        unit = candidate.loss_unit
        return (
            f"loses {shown_loss(candidate.accuracy_drop, unit)} of "
            f"{candidate.evaluation.metric}, "
            f"{shown_loss(limit, unit).removesuffix(' points')} allowed"
        )
    if budget.size_mb is not None and candidate.measurement.size_mb > budget.size_mb:
        return f"{candidate.measurement.size_mb:.2f} MB, {budget.size_mb:g} MB allowed"
    if preferred and candidate.artifact.runtime != preferred:
        return (
            f"the profile prefers {preferred}, and timings of another machine cannot "
            "decide between runtimes"
        )
    return None


def _why(
    candidate: Candidate, winner: Candidate, fault: str | None, sound: bool
) -> str:
    if candidate is winner:
        if not sound:
            return f"nothing keeps the budget; this one is nearest: {fault}"
        return "the fastest that keeps the budget"
    if fault is not None:
        return fault
    ratio = _p50(candidate) / _p50(winner) if _p50(winner) else float("inf")
    return f"{ratio:.2f}x the latency of {winner.artifact.name}"


def verdicts(
    chosen: Candidate, budget: Budget, target: Target, *, macs: int | None = None
) -> tuple[BudgetVerdict, ...]:
    """One verdict a budget that the user set, the unproven ones first.

    `macs` is the student's count, which no measurement knows.
    """
    measured = chosen.measurement
    proven = measured.source == "device"
    absent = (
        f"no {target.name} is attached: this was measured on {measured.device}, which "
        "proves nothing about the board"
    )
    found = [
        _verdict(
            "latency_ms",
            budget.latency_ms,
            measured.latency.p50_ms,
            measured,
            None if proven else absent,
        ),
        _verdict(
            "memory_mb",
            budget.memory_mb,
            measured.peak_memory_mb,
            measured,
            None if proven else absent,
        ),
        _verdict(
            "energy_mj",
            budget.energy_mj,
            measured.energy.gross_mj,
            measured,
            measured.energy.reason if proven else absent,
        ),
        _verdict("size_mb", budget.size_mb, measured.size_mb, measured, None),
        _accuracy(budget.accuracy_drop, chosen),
        _speedup(budget.speedup, chosen, measured),
        _operations(budget.mmacs, macs),
    ]
    order: tuple[Verdict, ...] = ("over", "unproven", "fits")
    return tuple(
        sorted(
            (v for v in found if v), key=lambda verdict: order.index(verdict.verdict)
        )
    )


def _accuracy(limit: float | None, chosen: Candidate) -> BudgetVerdict | None:
    found = _verdict(
        "accuracy_drop", limit, chosen.accuracy_drop, chosen.measurement, None
    )
    if found is None:
        return None
    return replace(found, metric=chosen.evaluation.metric, unit=chosen.loss_unit)


def _speedup(
    limit: float | None, chosen: Candidate, measured: Measurement
) -> BudgetVerdict | None:
    if limit is None:
        return None
    fits = chosen.speedup >= limit
    against = f"the unpruned fp32 network on {measured.runtime}, same run"
    return BudgetVerdict(
        name="speedup",
        limit=limit,
        value=chosen.speedup,
        verdict="fits" if fits else "over",
        source=measured.source,
        why=f"{chosen.speedup:.2f}x against {against}; {limit:g}x asked",
    )


def _operations(limit: float | None, macs: int | None) -> BudgetVerdict | None:
    """Arithmetic from shapes: the same on every device."""
    if limit is None:
        return None
    value = None if macs is None else macs / 1e6
    fits = value is not None and value <= limit
    return BudgetVerdict(
        name="mmacs",
        limit=limit,
        value=value,
        verdict="unproven" if value is None else "fits" if fits else "over",
        source="estimated",
        why="not counted" if value is None else f"{value:.4g} of {limit:g} allowed",
    )


def _verdict(
    name: str,
    limit: float | None,
    value: float | None,
    measured: Measurement,
    unproven: str | None,
) -> BudgetVerdict | None:
    if limit is None:
        return None
    verdict: Verdict
    if value is None:
        verdict, why = "unproven", unproven or "not measured"
    elif unproven:
        verdict, why = "unproven", unproven
    else:
        verdict = "fits" if value <= limit else "over"
        why = f"{value:.4g} of {limit:g} allowed"
        if verdict == "over":
            why = f"{value:.4g}, {limit:g} allowed: over by {value - limit:.4g}"
    return BudgetVerdict(
        name=name,
        limit=limit,
        value=value,
        verdict=verdict,
        source=measured.source,
        why=why,
    )
