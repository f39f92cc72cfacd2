"""May this artifact replace that one? Facts decide everywhere, times only on a named device."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from edgekit.bench.energy import comparable
from edgekit.bench.history import Record
from edgekit.bench.verdict import at_most
from edgekit.errors import MeasurementError
from edgekit.types import Budget, Check, GateVerdict, Paired, PairedVerdict
from edgekit.types.measurement_notes import (
    CheckBasis,
    Counted,
    EnergyBeside,
    EnergyReason,
    EnergyUnjudged,
    Incomparable,
    LaunchesPaired,
    MeasuredApart,
    MeasurementFault,
    NothingPaired,
    NotMeasured,
    Scored,
    WithinLimit,
)

_Doubts = tuple[MeasurementFault, ...] | tuple[EnergyReason, ...]

ENERGY_TOLERANCE = 0.05


def facts(
    now: Record, before: Record, *, growth: float = 0.0, accuracy_drop: float = 0.0
) -> list[Check]:
    """Checks that are the same on every machine: bytes, operations, weights, kernels, accuracy.

    `growth` is the fraction by which bytes, operations and weights may grow, `accuracy_drop` what
    the metric may lose.
    """
    checks = [
        _no_more("model_bytes", now.size_bytes, before.size_bytes, growth),
        _no_more("macs", now.macs, before.macs, growth),
        _no_more("parameters", now.parameters, before.parameters, growth),
        _no_more(
            "activation_bytes", now.activation_bytes, before.activation_bytes, growth
        ),
        _no_more("slow_operators", now.slow_operators, before.slow_operators),
        _accuracy(now, before, accuracy_drop),
    ]
    return [one for one in checks if one]


def budgets(now: Record, budget: Budget, *, on_device: bool) -> list[Check]:
    """Limits that were set; those in milliseconds and joules only where `on_device`.

    A figure that must not be quoted keeps no budget and breaks none.
    """
    measured = now.measurement
    energy = measured.energy
    lines: Sequence[tuple[str, float | None, float | None, _Doubts]] = (
        ("latency_ms", budget.latency_ms, measured.latency.p50_ms, measured.invalid),
        ("memory_mb", budget.memory_mb, measured.peak_memory_mb, ()),
        ("energy_mj", budget.energy_mj, energy.gross_mj, energy.reasons),
    )
    checks = [_budget("size_mb", budget.size_mb, measured.size_mb, ())]
    if on_device:
        checks += [_budget(*line) for line in lines]
    return [one for one in checks if one]


def _budget(
    name: str, limit: float | None, value: float | None, doubts: _Doubts
) -> Check | None:
    if limit is None:
        return None
    verdict: PairedVerdict = "inconclusive"
    if value is not None and not doubts:
        verdict = "pass" if at_most(value, limit) else "fail"
    return Check(
        name=name,
        kind="budget",
        now=value,
        before=limit,
        verdict=verdict,
        basis=NotMeasured() if value is None else WithinLimit(doubts=doubts),
    )


def latency(found: Paired) -> Check:
    """The verdict of launches that took turns."""
    ours, theirs = found.measurements
    return Check(
        name="latency",
        kind="device",
        now=ours.latency.p50_ms,
        before=theirs.latency.p50_ms,
        verdict=found.verdict,
        basis=LaunchesPaired(
            ratio=found.ratio,
            low=found.low,
            high=found.high,
            confidence=found.confidence,
            slower=found.slower,
            tolerated=found.tolerated,
        ),
    )


def unpaired(before: Record) -> Check:
    """Result of the latency check where nothing took turns with the artifact."""
    return Check(
        name="latency",
        kind="device",
        now=None,
        before=before.measurement.latency.p50_ms,
        verdict="inconclusive",
        basis=NothingPaired(),
    )


def energy(now: Record, before: Record) -> Check | None:
    """Joules against joules of one device, meter and boundary, with both uncertainties."""
    ours, theirs = now.measurement.energy, before.measurement.energy
    if theirs.gross_mj is None:
        return None
    obstacle = _energy_obstacle(now, before)
    if obstacle is not None or ours.gross_mj is None:
        basis = obstacle or NotMeasured()
        return _energy(ours.gross_mj, theirs.gross_mj, "inconclusive", basis)
    doubt = (ours.gross_u_mj or 0.0) + (theirs.gross_u_mj or 0.0)
    excess = ours.gross_mj - theirs.gross_mj * (1 + ENERGY_TOLERANCE)
    verdict: PairedVerdict = "inconclusive"
    if excess > doubt:
        verdict = "fail"
    elif excess <= -doubt or ours.gross_mj <= theirs.gross_mj:
        verdict = "pass"
    return _energy(ours.gross_mj, theirs.gross_mj, verdict, EnergyBeside(u_mj=doubt))


def _energy_obstacle(now: Record, before: Record) -> CheckBasis | None:
    """Why the energies of two runs decide nothing; `None` where they do."""
    ours, theirs = now.measurement.energy, before.measurement.energy
    there = (now.measurement.device, before.measurement.device)
    if there[0] != there[1]:
        return MeasuredApart(of="device", values=there)
    if theirs.method == "modeled":
        return EnergyUnjudged(kind="energy_modeled_only")
    doubts = ours.reasons or theirs.reasons
    if (obstacle := comparable(ours, theirs)) is not None or not doubts:
        return obstacle
    return EnergyUnjudged(kind="energy_doubted", doubts=doubts)


def verdict(checks: Sequence[Check]) -> GateVerdict:
    """The worst of all checks: a failure, else an inconclusive one, else an unproven one."""
    order: tuple[GateVerdict, ...] = ("fail", "inconclusive", "unproven", "pass")
    return min((one.verdict for one in checks), key=order.index, default="pass")


def compare_obstacle(one: Record, other: Record) -> Incomparable | None:
    """Why two records must not stand in one table; None where they may."""
    a, b = one.measurement, other.measurement
    for found in (
        MeasuredApart(of="device", values=(a.device, b.device)),
        MeasuredApart(of="provenance", values=(a.provenance, b.provenance)),
        MeasuredApart(of="threads", values=(a.threads, b.threads)),
        MeasuredApart(of="tier", values=(one.tier, other.tier)),
    ):
        if found.values[0] != found.values[1]:
            return found
    if a.energy.gross_mj is not None and b.energy.gross_mj is not None:
        return comparable(a.energy, b.energy)
    return None


def refuse_incomparable(one: Record, other: Record) -> None:
    """Raises MeasurementError where the two were not measured alike."""
    if obstacle := compare_obstacle(one, other):
        from edgekit.report import measurement_words as words

        raise MeasurementError(
            f"{one.name} and {other.name} cannot be compared: "
            f"{words.incomparable(obstacle)}. Measure both alike, in one run: edgekit "
            "bench A --against B"
        )


def _no_more(
    name: str, now: int | None, before: int | None, tolerance: float = 0.0
) -> Check | None:
    if now is None or before is None:
        return None
    # Exact decimals of the tolerance: 1000 * 1.001 is less than 1001 in floats.
    grew = now > before * (1 + Fraction(repr(tolerance)))
    return Check(
        name=name,
        kind="fact",
        now=now,
        before=before,
        verdict="fail" if grew else "pass",
        basis=Counted(growth=tolerance),
    )


def _accuracy(now: Record, before: Record, allowed: float) -> Check | None:
    if now.evaluation is None or before.evaluation is None:
        return None
    if now.evaluation.metric != before.evaluation.metric:
        return None
    ends = (before.evaluation, now.evaluation)
    lost = before.evaluation.drop(now.evaluation, relative=False)
    fell = not any(end.keeps(lost, allowed, relative=False) for end in ends)
    return Check(
        name=now.evaluation.metric,
        kind="fact",
        now=now.evaluation.value,
        before=before.evaluation.value,
        verdict="fail" if fell else "pass",
        basis=Scored(is_fraction=now.evaluation.is_fraction, allowed=allowed),
    )


def _energy(
    now: float | None, before: float | None, verdict: PairedVerdict, basis: CheckBasis
) -> Check:
    return Check(
        name="energy",
        kind="device",
        now=now,
        before=before,
        verdict=verdict,
        basis=basis,
    )
