"""Derive a plan's constraints from the budget, and the error where no plan meets them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from edgekit.bench.tiers import planning
from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.runners import BenchRunner
from edgekit.progress import Progress
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Limits, over
from edgekit.types import Artifact, Budget, Measurement, Precision
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.notes import (
    BudgetsNotPlanned,
    EnergyPlannedAsTime,
    EnergyPlannedByOperators,
    PlanNote,
    SpeedupAssumed,
)

DEFAULT_SPEEDUP = 2.0
_BYTES_PER_WEIGHT: Mapping[Precision, float] = {
    "fp32": 4,
    "fp16": 2,
    "int8": 1,
    "int8-dynamic": 1,
    "int8-weights": 1,
    "int16x8": 1,
    "palette4": 0.5,
}
# Room for what a file holds besides weights: its graph, biases, scales.
_SIZE_FRACTION = 0.9


@dataclass(frozen=True, kw_only=True)
class PlanConstraints:
    """The constraints of a cut, against the unpruned network."""

    speedup: float | None
    full_cost: float
    """Of the unpruned network's operators, in the table's unit."""
    parameters: int | None = None
    activation_bytes: int | None = None
    macs: int | None = None
    energy_mj: float | None = None
    """Of the operators by the table; `None` where energy is not planned for by operators."""
    full_energy_mj: float | None = None
    """The same of the unpruned network."""
    energy_scale: float = 1.0
    """The unpruned network's measured energy by that of its operators."""
    bytes_per_weight: float = 4.0
    """In the smallest precision, with what a file holds besides."""
    memory_besides_mb: float = 0.0
    """Memory of a process besides activations: the runtime, its copy of the weights."""
    gain: float = 1.0
    """Speed-up over fp32 of the unpruned network in the precision that is planned for."""
    stated_as: tuple[str, float] | None = None
    """The budget that `speedup` follows from where that is not a ratio: its name, and the unpruned
    network's value of it."""
    notes: tuple[PlanNote, ...] = ()
    """Notes on the choice."""

    def with_gain(self, gain: float) -> PlanConstraints:
        """The same where precision alone gives this speed-up: only the rest has to be cut."""
        speedup = None if self.speedup is None else self.speedup / gain
        if gain > 1 and speedup is not None and speedup <= 1:
            speedup = None
        return replace(self, speedup=speedup, gain=gain)

    @property
    def energy_fraction(self) -> float | None:
        """Energy of the unpruned network that remains for operators; `None` where energy is not
        planned for by operators."""
        if self.energy_mj is None or not self.full_energy_mj:
            return None
        return min(1.0, self.energy_mj / self.full_energy_mj)

    def limits(self, cost: float | None) -> Limits:
        """Limits of a plan that costs at most `cost`, in the table's unit."""
        return Limits(
            cost=cost,
            parameters=self.parameters,
            activation_bytes=self.activation_bytes,
            macs=self.macs,
            energy_mj=self.energy_mj,
        )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Energy by operators: the unpruned network's sum, or the reason why there is none."""

    whole_mj: float | None
    note: PlanNote


def constraints_from_budget(  # noqa: PLR0913 (budgets, and what they are measured by)
    planner: Planner,
    budget: Budget,
    target: str,
    exported: Sequence[Precision],
    bench: BenchRunner,
    baseline: Artifact | None,
    planned: Artifact | None = None,
) -> PlanConstraints:
    """Constraints on the unpruned network, whose planner this is, on the `target`.

    Without its export (`baseline`) nothing is timed: a latency counts as without the device, memory
    is not planned for, and energy is the sum of its operators'. `planned` is the network's file at
    the size of images that the planner is of, where that is another: its memory and energy are the
    planner's, and the baseline's latency is what is to be shortened.
    """
    timed = _timed_here(budget, bench, baseline) if baseline else None
    own = _timed_here(budget, bench, planned) if planned else timed
    p50_ms = timed.latency.p50_ms if timed and bench.proven else None
    whole_mj = timed.energy.gross_mj if timed and bench.proven else None
    metered = bench.proven and (whole_mj is not None or baseline is None)
    drawn: Drawn | None = None
    if budget.energy_mj and metered:
        drawn = _drawn(budget.energy_mj, planner, own, bench.progress)
    summed_mj = drawn.whole_mj if drawn else None
    speedup, notes = required_speedup(
        budget, target, p50_ms, whole_mj, by_operators=summed_mj is not None
    )
    if drawn and (whole_mj or summed_mj):
        notes = (*notes, drawn.note)
    smallest = min(_BYTES_PER_WEIGHT[precision] for precision in exported)
    constraints = PlanConstraints(
        speedup=speedup,
        full_cost=planner.cost({}, planner.device),
        # As written: 1.2345678 million allow 1,234,567 and no more.
        macs=math.floor(Fraction(repr(budget.mmacs)) * 10**6) if budget.mmacs else None,
        bytes_per_weight=smallest / _SIZE_FRACTION,
        stated_as=_stated_as(budget, speedup, latency_ms=p50_ms, energy_mj=whole_mj),
        notes=notes,
    )
    if budget.energy_mj and summed_mj:
        own_mj = own.energy.gross_mj if own and whole_mj else None
        scale = (own_mj or summed_mj) / summed_mj
        constraints = replace(
            constraints,
            energy_mj=budget.energy_mj / scale,
            full_energy_mj=summed_mj,
            energy_scale=scale,
        )
    if budget.size_mb:
        allowed = int(budget.size_mb * 2**20 / constraints.bytes_per_weight)
        constraints = replace(constraints, parameters=allowed)
    if budget.memory_mb and baseline and own and own.peak_memory_mb:
        whole_mb = planner.activation_bytes() / 2**20
        besides_mb = max(0.0, own.peak_memory_mb - whole_mb)
        left_mb = budget.memory_mb - besides_mb
        if left_mb <= 0:
            raise BudgetInfeasible(
                f"memory_mb = {budget.memory_mb:g} is less than {baseline.runtime} takes "
                f"without any activations: {besides_mb:.1f} MiB ({own.provenance}). "
                f"The nearest that is possible is above {besides_mb:.1f}."
            )
        constraints = replace(
            constraints,
            activation_bytes=int(left_mb * 2**20),
            memory_besides_mb=besides_mb,
        )
    return constraints


def required_speedup(
    budget: Budget,
    target: str,
    baseline_ms: float | None,
    baseline_mj: float | None = None,
    *,
    by_operators: bool = False,
) -> tuple[float | None, tuple[PlanNote, ...]]:
    """The speed-up to plan for, and notes on the choice.

    `baseline_ms` and `baseline_mj` are the unpruned network's latency and energy on the target
    itself, `None` where no such figure exists: then a budget in milliseconds or millijoules
    cannot be planned for, only a ratio can. Energy that is not planned for `by_operators` is
    taken to go with time: a processor that computes draws about the same whatever the network.
    """
    wishes = [budget.speedup] if budget.speedup else []
    unplanned: dict[str, float] = {}
    if budget.latency_ms and baseline_ms:
        wishes.append(baseline_ms / budget.latency_ms)
    elif budget.latency_ms:
        unplanned["latency_ms"] = budget.latency_ms
    energy_mj = None if by_operators else budget.energy_mj
    if energy_mj and baseline_mj:
        wishes.append(baseline_mj / energy_mj)
    elif energy_mj:
        unplanned["energy_mj"] = energy_mj
    notes: tuple[PlanNote, ...] = ()
    if unplanned:
        wishes = wishes or [DEFAULT_SPEEDUP]
        missing = BudgetsNotPlanned(
            budgets=unplanned,
            lacking="meter" if energy_mj and baseline_ms else "device",
            target=target,
            speedup=max(wishes),
        )
        notes = (missing,)
    planned_mj = budget.energy_mj if by_operators else None
    others = (budget.size_mb, budget.memory_mb, budget.mmacs, planned_mj)
    if not wishes and all(limit is None for limit in others):
        wishes = [DEFAULT_SPEEDUP]
        notes = (SpeedupAssumed(speedup=DEFAULT_SPEEDUP),)
    return max(wishes, default=None), notes


def _stated_as(
    budget: Budget, speedup: float | None, **unpruned: float | None
) -> tuple[str, float] | None:
    """The budget that the speed-up follows from, with the `unpruned` network's value of it."""
    for name, whole in unpruned.items():
        most = getattr(budget, name)
        if whole and most and whole / most == speedup:
            return name, whole
    return None


def _drawn(
    budget_mj: float, planner: Planner, timed: Measurement | None, progress: Progress
) -> Drawn:
    """Energy of operators by the meter that read the unpruned network's."""
    meter = timed.energy.meter if timed else "auto"
    device = planner.device
    if device is None or meter is None:
        why: OperatorsUnmetered | None = OperatorsUnmetered(
            kind="costs_not_timed", value=planner.table.provenance
        )
    else:
        with progress.step(f"Power of operators by {meter}") as step:
            why = planner.meter_power(device, meter, step.update)
    if why is not None:
        return Drawn(
            whole_mj=None, note=EnergyPlannedAsTime(energy_mj=budget_mj, reason=why)
        )
    table = planner.table
    return Drawn(
        whole_mj=planner.whole().energy_mj,
        note=EnergyPlannedByOperators(
            energy_mj=budget_mj,
            metered=table.metered,
            meter=table.meter,
            boundary=table.boundary,
        ),
    )


def _timed_here(
    budget: Budget, bench: BenchRunner, baseline: Artifact
) -> Measurement | None:
    """A quick measurement of the unpruned network, where a budget needs one."""
    of_device = budget.latency_ms is not None or budget.energy_mj is not None
    if budget.memory_mb is None and not (of_device and bench.proven):
        return None
    # A meter is read in the recipe's own tier alone.
    tier = None if budget.energy_mj is not None else planning()
    timed = bench.measure([baseline], "Time the unpruned network", tier)
    return timed[baseline.name]


def met(planner: Planner, constraints: PlanConstraints) -> bool:
    """Return whether the network keeps every limit as it is."""
    if constraints.speedup is not None and constraints.speedup > 1:
        return False
    whole = planner.whole()
    limits = constraints.limits(None).given()
    return not any(over(getattr(whole, name), most) for name, most in limits.items())


def reachable(
    planner: Planner, constraints: PlanConstraints, required: float
) -> PlanConstraints:
    """The same with a speed-up that there is, where budgets require only `required` of it.

    Halfway to the cheapest network on offer, as ratios go, where that is slower than assumed.
    """
    if constraints.speedup is None:
        return constraints
    most = constraints.full_cost / planner.cheapest().cost
    if not over(constraints.speedup, most):
        return constraints
    nearest = max(required, math.sqrt(max(most, 1.0)))
    said = round(nearest * constraints.gain, 2)
    notes = tuple(
        replace(note, speedup=said) if isinstance(note, SpeedupAssumed) else note
        for note in constraints.notes
    )
    return replace(constraints, speedup=nearest, notes=notes)


def check_possible(planner: Planner, constraints: PlanConstraints) -> None:
    """Raise `BudgetInfeasible` where the cheapest network on offer is over a limit."""
    limits = constraints.limits(
        constraints.full_cost / constraints.speedup if constraints.speedup else None
    )
    for name, most in limits.given().items():
        if over(getattr(planner.cheapest(name), name), most):
            raise infeasible(planner, limits, constraints)


def too_slow(
    constraints: PlanConstraints, measured: float, artifact: str
) -> BudgetInfeasible:
    """The error that names a speed which no plan has, and the one that the fastest was `measured`
    to have, against the unpruned network in the form that is planned for."""
    asked = _asked(
        "cost", constraints.full_cost / (constraints.speedup or 1), constraints
    )
    nearest = _asked("cost", constraints.full_cost / measured, constraints)
    return BudgetInfeasible(
        f"{asked} is out of reach: the fastest plan on offer has {nearest}, timed untrained as "
        f"{artifact}. Ask for less in [budget], or lower [recipe.prune] min_keep. Train all the "
        "same with --yes."
    )


def infeasible(
    planner: Planner, limits: Limits, constraints: PlanConstraints
) -> BudgetInfeasible:
    """The error that names each budget nobody can keep, and the nearest that somebody can."""
    given = limits.given()
    alone = {name: getattr(planner.cheapest(name), name) for name in given}
    lacking = {n: least for n, least in alone.items() if over(least, given[n])}
    found = [
        f"{_asked(name, given[name], constraints)} is out of reach: the nearest is "
        f"{_asked(name, least, constraints)}"
        for name, least in lacking.items()
    ]
    if not found:
        found = [
            f"the budgets cannot be met together: {_together(planner, given, constraints)}"
        ]
    return BudgetInfeasible(
        f"{'; '.join(found)} (cost table of {planner.table.key.runtime}, "
        f"{planner.table.provenance}). Ask for less in [budget], or lower [recipe.prune] "
        "min_keep."
    )


def _together(
    planner: Planner, given: Mapping[str, float], constraints: PlanConstraints
) -> str:
    """For each budget the nearest value that the others leave possible."""
    nearest = []
    for name, most in given.items():
        others = Limits(**{**asdict(Limits()), **given, name: None})
        try:
            least = getattr(planner.cheapest(name, others), name)
        except BudgetInfeasible:
            continue
        nearest.append(
            f"{_asked(name, least, constraints)} instead of {_asked(name, most, constraints)}"
        )
    return "with the others kept, " + ", or ".join(nearest or ["nothing"])


def _asked(name: str, amount: float, constraints: PlanConstraints) -> str:
    """A limit as the user would write it in [budget]."""
    if name == "cost":
        ratio = constraints.gain * constraints.full_cost / amount
        if constraints.stated_as is None:
            return f"a speed-up of {ratio:.2f}"
        budget, whole = constraints.stated_as
        return f"{budget} = {whole / ratio:.4g}"
    if name == "parameters":
        return (
            f"size_mb = {amount * constraints.bytes_per_weight / 2**20:.3f} "
            f"({amount:,.0f} weights)"
        )
    if name == "activation_bytes":
        activations_mb = amount / 2**20
        return (
            f"memory_mb = {constraints.memory_besides_mb + activations_mb:.2f} "
            f"({activations_mb:.2f} MiB of activations)"
        )
    if name == "energy_mj":
        return f"energy_mj = {amount * constraints.energy_scale:.4g}"
    return f"mmacs = {amount / 1e6:.3f}"
