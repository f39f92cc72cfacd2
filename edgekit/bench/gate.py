"""May this artifact replace that one? Facts decide everywhere, times only on a named device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from edgekit.bench.energy import comparable
from edgekit.bench.history import Record
from edgekit.bench.verdict import at_most
from edgekit.errors import MeasurementError
from edgekit.types import Budget, Paired, PairedVerdict

Kind = Literal["fact", "budget", "device"]
ENERGY_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of a gate."""

    name: str
    kind: Kind
    now: float | None
    before: float | None
    verdict: PairedVerdict
    why: str


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
        _no_more("slow_operators", now.slow_operators, before.slow_operators),
        _accuracy(now, before, accuracy_drop),
    ]
    return [one for one in checks if one]


def budgets(now: Record, budget: Budget, *, on_device: bool) -> list[Check]:
    """Limits that were set; those in milliseconds and joules only where `on_device`.

    A figure that must not be quoted keeps no budget and breaks none.
    """
    measured = now.measurement
    doubts = measured.energy.reason if measured.energy.gross_mj is not None else None
    lines: Sequence[tuple[str, float | None, float | None, str | None]] = (
        ("latency_ms", budget.latency_ms, measured.latency.p50_ms, measured.invalid),
        ("memory_mb", budget.memory_mb, measured.peak_memory_mb, None),
        ("energy_mj", budget.energy_mj, measured.energy.gross_mj, doubts),
    )
    checks = [_budget("size_mb", budget.size_mb, measured.size_mb, None)]
    if on_device:
        checks += [_budget(*line) for line in lines]
    return [one for one in checks if one]


def _budget(
    name: str, limit: float | None, value: float | None, doubt: str | None
) -> Check | None:
    if limit is None:
        return None
    verdict: PairedVerdict = "inconclusive"
    why = "not measured"
    if value is not None:
        why = f"{value:.4g} of {limit:g} allowed"
        if doubt:
            why += f", but {doubt}"
        else:
            verdict = "pass" if at_most(value, limit) else "fail"
    return Check(
        name=name, kind="budget", now=value, before=limit, verdict=verdict, why=why
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
        why=f"{found.ratio:.3f} times the latency: {found.why}",
    )


def unpaired(before: Record) -> Check:
    """Result of the latency check where nothing took turns with the artifact."""
    return Check(
        name="latency",
        kind="device",
        now=None,
        before=before.measurement.latency.p50_ms,
        verdict="inconclusive",
        why="the baseline's artifact is not where it was measured, and only launches "
        "that take turns are comparable: name it with --against, or set "
        "--latency-ms",
    )


def energy(now: Record, before: Record) -> Check | None:
    """Joules against joules of one device, meter and boundary, with both uncertainties."""
    ours, theirs = now.measurement.energy, before.measurement.energy
    if theirs.gross_mj is None:
        return None
    obstacle = comparable(ours, theirs) or ours.reason or theirs.reason
    there = (now.measurement.device, before.measurement.device)
    if there[0] != there[1]:
        obstacle = f"measured on different devices ({there[0]}, {there[1]})"
    elif theirs.method == "modeled":
        obstacle = "modeled energy never gates"
    if obstacle or ours.gross_mj is None:
        why = obstacle or "not measured"
        return _energy(ours.gross_mj, theirs.gross_mj, "inconclusive", why)
    doubt = (ours.gross_u_mj or 0.0) + (theirs.gross_u_mj or 0.0)
    excess = ours.gross_mj - theirs.gross_mj * (1 + ENERGY_TOLERANCE)
    verdict: PairedVerdict = "inconclusive"
    if excess > doubt:
        verdict = "fail"
    elif excess <= -doubt or ours.gross_mj <= theirs.gross_mj:
        verdict = "pass"
    why = f"{ours.gross_mj:.4g} mJ after {theirs.gross_mj:.4g} mJ (+-{doubt:.2g} mJ)"
    return _energy(ours.gross_mj, theirs.gross_mj, verdict, why)


def verdict(checks: Sequence[Check]) -> PairedVerdict:
    """The worst of all checks: a failure, else an inconclusive one."""
    order: tuple[PairedVerdict, ...] = ("fail", "inconclusive", "pass")
    return min((one.verdict for one in checks), key=order.index, default="pass")


def compare_obstacle(one: Record, other: Record) -> str | None:
    """Why two records must not stand in one table; None where they may."""
    a, b = one.measurement, other.measurement
    for what, mine, theirs in (
        ("device", a.device, b.device),
        ("provenance", a.provenance, b.provenance),
        ("threads", a.threads, b.threads),
        ("tier", one.tier, other.tier),
    ):
        if mine != theirs:
            return f"they differ in {what} ({mine}, {theirs})"
    if a.energy.gross_mj is not None and b.energy.gross_mj is not None:
        return comparable(a.energy, b.energy)
    return None


def refuse_incomparable(one: Record, other: Record) -> None:
    """Raises MeasurementError where the two were not measured alike."""
    if obstacle := compare_obstacle(one, other):
        raise MeasurementError(
            f"{one.name} and {other.name} cannot be compared: {obstacle}. Measure both alike, "
            "in one run: edgekit bench A --against B"
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
        why=f"{now:,} after {before:,}"
        + (f", {tolerance:.1%} more allowed" if grew and tolerance else ""),
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
        why=f"{now.evaluation.shown} after {before.evaluation.shown}"
        + (f", {allowed:g} less allowed" if fell and allowed else ""),
    )


def _energy(
    now: float | None, before: float | None, verdict: PairedVerdict, why: str
) -> Check:
    return Check(
        name="energy", kind="device", now=now, before=before, verdict=verdict, why=why
    )
