"""Fit the network into the budget: solve, cut, export, time, and solve again on a miss.

Speed depends on shapes, hardly on weights, so the loop is closed before any training.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgekit.bench.statistics import contradicts, likelier
from edgekit.bench.statistics import speedup as speedup_of
from edgekit.bench.tiers import planning
from edgekit.cost.overhead import Overhead, fitted
from edgekit.cost.table import CostTable
from edgekit.errors import DeviceError, ModelError
from edgekit.export.workers import Variant, artifact_name
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline import left_out
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.cost_provider import CostProvider
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.weighed import Weighed
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.joint import Forms, JointPlanner
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.report.note_words import sentence
from edgekit.report.words import barrier as barrier_words
from edgekit.types import (
    AccuracyOutlook,
    Artifact,
    FrontierPoint,
    Link,
    OperatorRow,
    PlanRound,
    Precision,
    PruneRecipe,
    Recipe,
    RuntimeName,
    Target,
)
from edgekit.types.build_lock import LockedCut
from edgekit.types.notes import BlocksDropped, NoPlanFaster, Note

_SLACK = 1.03
_SPARE = 1.1
"""Past this fraction of the speed-up asked for, a network gave up more than it had to."""
_FASTEST = 1.01
"""Cost over the least one on offer up to which a plan is the fastest that there is."""
NOISE = 1.02
"""Ratio of two measured speed-ups that repeated measurements have."""
_PLANNED: tuple[Precision, ...] = ("fp32", "int8")


@dataclass(frozen=True, kw_only=True)
class Own:
    """Costs of a student that is not part of the network."""

    parameters: int
    macs: int
    operators: tuple[OperatorRow, ...]


@dataclass(frozen=True, kw_only=True)
class PrunedCandidate:
    """The student before training, and its search; the rest is of the network."""

    student: Program
    graph: WidthGraph
    planner: Planner
    solution: Solution
    rounds: tuple[PlanRound, ...]
    notes: tuple[Note, ...]
    own: Own | None = None
    """Of a student with an architecture of its own."""
    refitted_loss: float | None = None
    """Divergence of the untrained student from the network that it was cut from, in nats a
    validation sample; `None` where it was not measured."""
    links: tuple[Link, ...] = ()
    untouched: bool = False
    """True where the student is the network itself, neither cut nor trained."""
    measured_speedup: float | None = None
    """Of its untrained export, over the unpruned network in the form that is planned for."""
    out_of_reach: bool = False
    """True where the fastest plan on offer was timed, and is slower than required."""
    judged: Mapping[str, float] = field(default_factory=dict)
    """Speed-ups over fp32 of its files, by name, where they were measured already."""
    outlook: AccuracyOutlook | None = None
    """Accuracy that was expected before training, and the outcome."""
    cuts: tuple[LockedCut, ...] = ()
    """The cuts that made it, from the unpruned network on."""
    points: tuple[FrontierPoint, ...] = ()
    """Files of every network that was trained on the way, on validation data."""
    within: bool = False
    """True where a file of it keeps every budget that the project sets, on validation data."""

    @property
    def whole(self) -> bool:
        """Return whether nothing is cut: no plan was faster."""
        solution, groups = self.solution, self.graph.groups
        same = all(solution.widths.get(g.id, g.units) == g.units for g in groups)
        return same and not solution.dropped

    @property
    def table(self) -> CostTable:
        """The costs that the plan went by."""
        return self.planner.table


@dataclass(frozen=True, kw_only=True)
class SearchRound:
    """One round: the plan, its network, and what came of it."""

    round: PlanRound
    solution: Solution
    student: Program


@dataclass(frozen=True, kw_only=True)
class PlanTimer:
    """Exports students untrained and times them beside the unpruned network."""

    exporter: ExportRunner
    bench: BenchRunner
    variant: Variant
    """The file that is planned for."""
    baseline: Artifact
    """The unpruned network in it."""
    calibration: Feeds

    @property
    def progress(self) -> Progress:
        """The display of progress."""
        return self.bench.progress

    def time(self, student: Program, predicted: float, folder: Path) -> PlanRound:
        """Times of a student's export, beside its `predicted` speed-up; `folder` is removed.

        Raises `left_out.NotExportable` where the student cannot be exported.
        """
        title = f"the plan ({folder.name})"
        [artifact] = left_out.export(
            self.exporter,
            student,
            [self.variant],
            folder,
            title=f"Export {title}",
            calibration=self.calibration,
        ).artifacts
        artifact = replace(artifact, name=folder.name)
        measured = self.believed(artifact, predicted, f"Time {title}")
        shutil.rmtree(folder)
        self.progress.say(
            f"Plan: {predicted:.2f}x predicted, {measured:.2f}x measured "
            f"as {artifact_name(*self.variant)} against {self.baseline.name}, "
            "before training"
        )
        return PlanRound(
            predicted_speedup=predicted,
            measured_speedup=measured,
            prediction_error=abs(predicted - measured) / measured,
        )

    def believed(self, artifact: Artifact, predicted: float, title: str) -> float:
        """The measured speed-up of a file over the unpruned network's.

        Measured again where it contradicts the prediction: after a slow spell of the machine the
        next plan would be cut without need.
        """
        if not contradicts(first := self._speedup(artifact, title), predicted):
            return first
        self.progress.say(
            f"Plan: {first:.2f}x measured, {predicted:.2f}x predicted: measured again"
        )
        return likelier(first, self._speedup(artifact, f"{title} again"), predicted)

    def _speedup(self, artifact: Artifact, title: str) -> float:
        timed = self.bench.measure([self.baseline, artifact], title, planning())
        return speedup_of(timed[self.baseline.name], timed[artifact.name])


def search(
    weighed: Weighed,
    constraints: PlanConstraints,
    rounds: int,
    timer: PlanTimer,
    folder: Path,
) -> PrunedCandidate:
    """The most important network that meets the constraints, planned in at most so many rounds.

    Where the exported network misses its speed-up, or is much faster than required, the table
    is corrected by the measurement and the plan solved again. Raises `BudgetInfeasible`, naming
    the nearest feasible figures, where there is none.
    """
    planner = weighed.planner
    turns: list[SearchRound] = []
    overhead = Overhead()
    for cost in next_costs(rounds, planner, constraints, turns):
        solution = weighed.solve(constraints, cost)
        if any(solution.plan == turn.solution.plan for turn in turns):
            break
        student = shrink(planner.graph, solution.plan)
        if solution.in_int8:
            timer.progress.say(f"Plan: {len(solution.in_int8)} operators are in int8")
        place = folder / f"round-{len(turns) + 1}"
        fraction = planner.cost_of(solution) / constraints.full_cost
        predicted = overhead.speedup(fraction)
        timed = timer.time(student, predicted, place)
        turns.append(SearchRound(round=timed, solution=solution, student=student))
        overhead = corrected(turns, constraints)
        turns[-1] = replace(turns[-1], round=replace(timed, overhead=overhead.fraction))
    return settled(planner, constraints, turns)


def next_costs(
    rounds: int,
    planner: Planner,
    constraints: PlanConstraints,
    turns: Sequence[SearchRound],
) -> Iterator[float | None]:
    """The cost to solve for, round by round, until a network reaches the required speed-up."""
    if constraints.speedup is None:
        yield None
        return
    least = planner.cheapest("cost", constraints.limits(None)).cost
    # A little more than required, where there is more: the last measurement is noisy too.
    slack = constraints.speedup * _SLACK
    cost = constraints.full_cost / slack
    yield cost if cost >= least else constraints.full_cost / constraints.speedup
    while len(turns) < rounds:
        reached = turns[-1].round.measured_speedup
        if constraints.speedup <= reached <= constraints.speedup * _SPARE:
            return
        fraction = corrected(turns, constraints).operators(slack)
        target_cost, fastest = (fraction or 0.0) * constraints.full_cost, least * 1.001
        if target_cost < fastest and len(turns) < rounds - 1:
            # One network shows the infeasibility: half of the way, to learn from another.
            target_cost = math.sqrt(turns[-1].solution.cost * fastest)
        yield max(fastest, target_cost)


def corrected(turns: Sequence[SearchRound], constraints: PlanConstraints) -> Overhead:
    """Overhead that is fitted to the rounds so far."""
    return fitted(
        [
            (turn.solution.cost / constraints.full_cost, turn.round.measured_speedup)
            for turn in turns
        ]
    )


def settled(
    planner: Planner, constraints: PlanConstraints, turns: Sequence[SearchRound]
) -> PrunedCandidate:
    """The least damaged network that is fast enough, or else the fastest; the whole one where
    none was faster than that."""
    best = max(turns, key=lambda turn: turn.round.measured_speedup)
    if constraints.speedup is not None:
        met = [t for t in turns if t.round.measured_speedup >= constraints.speedup]
        best = min(
            met,
            key=lambda turn: turn.solution.expected_loss_increase or 0.0,
            default=best,
        )
    notes = [*constraints.notes]
    if constraints.speedup is not None and best.round.measured_speedup < 1:
        notes.append(
            NoPlanFaster(
                runtime=planner.table.key.runtime, speedup=best.round.measured_speedup
            )
        )
        whole = planner.whole()
        student = shrink(planner.graph, whole.plan)
        best = replace(best, solution=whole, student=student)
    if best.solution.dropped:
        notes.append(BlocksDropped(blocks=best.solution.dropped))
    return PrunedCandidate(
        student=best.student,
        graph=planner.graph,
        planner=planner,
        solution=best.solution,
        rounds=tuple(turn.round for turn in turns),
        notes=tuple(notes),
        measured_speedup=best.round.measured_speedup,
        out_of_reach=_out_of_reach(planner, constraints, turns),
    )


def _out_of_reach(
    planner: Planner, constraints: PlanConstraints, turns: Sequence[SearchRound]
) -> bool:
    """Return whether the fastest plan on offer was timed, and none is as fast as required."""
    reached = max(turn.round.measured_speedup for turn in turns)
    if constraints.speedup is None or reached * NOISE >= constraints.speedup:
        return False
    least = planner.cheapest("cost", constraints.limits(None)).cost
    return any(turn.solution.cost <= _FASTEST * least for turn in turns)


def planned(planner: Planner, cut: LockedCut) -> PrunedCandidate:
    """The network of a plan that an earlier build made."""
    dropped = cut.plan.dropped_blocks
    return PrunedCandidate(
        student=shrink(planner.graph, cut.plan),
        graph=planner.graph,
        planner=planner,
        solution=planner.planned(cut.plan),
        rounds=(),
        notes=(BlocksDropped(blocks=dropped),) if dropped else (),
    )


def as_it_is(planner: Planner, notes: Sequence[Note]) -> PrunedCandidate:
    """The network itself, which keeps every limit; `notes` have the reason."""
    return PrunedCandidate(
        student=planner.graph.program,
        graph=planner.graph,
        planner=planner,
        solution=planner.whole(),
        rounds=(),
        notes=tuple(notes),
    )


def build_planner(  # noqa: PLR0913 (a network, its costs, and its offers)
    network: Program,
    form: tuple[RuntimeName, Precision],
    costs: CostProvider,
    recipe: PruneRecipe,
    progress: Progress,
    options: Mapping[str, tuple[int, ...]] | None = None,
    second_form: Callable[[WidthGraph], Forms] | None = None,
) -> Planner:
    """Units of a network that can be cut, and the cost of each width in a runtime and
    precision.

    `options` are the widths offered for the network that this one was cut from. With a
    `second_form` each operator's precision is chosen too.
    """
    graph, table = analyze(network), costs.table(*form)
    if not graph.groups:
        blocked = "; ".join(map(barrier_words, graph.barriers))
        raise ModelError(
            f"Nothing in this network can be pruned ({blocked or 'no free widths'})."
        )
    kind = Planner if second_form is None else partial(_joint, second_form)
    planner = kind(
        graph,
        table,
        multiple=costs.tiles.get(table.key.precision, 1),
        min_keep=recipe.min_keep,
        options=options,
        drop_blocks=recipe.drop_blocks,
    )
    progress.say(f"Costs: {costs.origin.why}")
    with progress.step(f"Costs of operators on {table.key.runtime}") as step:
        before = table.interpolated
        planner.measure(costs.device, step.update, recipe.cost_minutes)
    if table.interpolated > before:
        progress.say(
            f"Costs: [recipe.prune] cost_minutes = {recipe.cost_minutes:g} were over at "
            f"{len(table)} operators; {table.interpolated - before} more are interpolated"
        )
    if table.doubt is not None:
        progress.say(f"Costs: {sentence(table.doubt)}")
    return planner


def _joint(
    second_form: Callable[[WidthGraph], Forms],
    graph: WidthGraph,
    table: CostTable,
    **settings: Any,
) -> Planner:
    return JointPlanner(graph, table, second_form(graph), **settings)


def whole_planner(
    network: Program,
    form: tuple[RuntimeName, Precision],
    costs: CostProvider,
    recipe: PruneRecipe,
    widths: Mapping[str, int] = MappingProxyType({}),
) -> Planner:
    """A planner of a network that stays whole, or gets `widths`: no others are measured."""
    graph = analyze(network)
    own = {
        group.id: tuple(sorted({group.units, widths.get(group.id, group.units)}))
        for group in graph.groups
    }
    planner = Planner(
        graph,
        costs.table(*form),
        multiple=1,
        min_keep=recipe.min_keep,
        options=own,
        drop_blocks=False,
    )
    planner.measure(costs.device)
    return planner


def planned_precisions(recipe: Recipe, target: Target) -> tuple[Precision, ...]:
    """Precisions to plan in: the recipe's or else fp32 first, then others that are exported.

    Raises `DeviceError` where the recipe names a precision that is not exported.
    """
    exported = recipe.export.precisions or target.precisions
    asked = recipe.prune.precision
    offered: list[Precision] = [p for p in _PLANNED if p in exported]
    if asked == "auto":
        return tuple(offered) or ("fp32",)
    if asked == "mixed":
        asked = "fp32"
    if asked not in offered:
        raise DeviceError(
            f'[recipe.prune] precision = "{asked}" is not exported for '
            f"{target.name}: {', '.join(exported)} are. Set it to one of them."
        )
    return (asked, *(p for p in offered if p != asked))
