"""The accuracy in the loop: what is planned next after a trained network was measured.

A network that misses the accuracy budget with speed to spare is planned again milder, one that is
slower than it must be steeper, and one that was still learning is trained on. The best trained
network ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.bench.verdict import at_most, violation
from edgekit.distill import Distilled
from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.expected_accuracy import EXPONENT
from edgekit.pipeline.frontier import MARGIN, Judged
from edgekit.pipeline.search import PrunedCandidate
from edgekit.types import Budget, Candidate, FrontierPoint

Kind = Literal["milder", "steeper", "longer"]
_SPARE = 1.05
"""Speed-up over what is required past which a milder plan is another plan."""
_STEP = 1.5
"""Ratio of demands by which the fastest network is searched for until one loses too much."""
_NEAR = 1.15
"""Ratio of a demand that lost too much to one that did not past which nothing lies between."""
_STILL = 0.8
"""A training whose best epoch is in the last fifth had not ended."""
TRAININGS = 3
"""Trainings of the recipe's length that the default time allows."""


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """The cuts of one network, each trained, the last of which is the student."""

    done: tuple[PrunedCandidate, ...]
    links: tuple[Distilled, ...]
    trainings: tuple[int, ...] = ()
    """Number of trainings of each."""
    at_once: float | None = None
    """Expected loss increase of one cut down to where several have led; `None` where it was not
    looked at."""

    @property
    def damage(self) -> float | None:
        """Expected loss increase of all cuts, as it was known before the first training."""
        return damage_of(self.done) if self.at_once is None else self.at_once

    @property
    def refitted(self) -> float | None:
        """Measured loss increase of all cuts, each before its training."""
        return refitted_of(self.done)


@dataclass(frozen=True, kw_only=True)
class TrainedPoint:
    """A trained network, and its files on validation data."""

    demand: float | None
    """The speed-up that its plan was solved for, in the precision that was planned for."""
    cuts: Cuts
    judged: Judged

    @property
    def seconds(self) -> float:
        """Duration of its trainings."""
        return sum(e.seconds for link in self.cuts.links for e in link.epochs)

    @property
    def improving(self) -> bool:
        """Return whether training ended before its student did not gain any more."""
        last = self.cuts.links[-1]
        return still_improving(last.best_epoch, len(last.epochs))


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Goal of the training: budgets, speed and time."""

    budget: Budget
    priority: tuple[str, ...] = ()
    required: float | None
    """Speed-up over fp32; `None` where no budget sets one."""
    ceiling: float
    """The largest speed-up that can be planned for, in the precision that is planned for."""
    fastest: bool = False
    """True where the fastest network inside the accuracy budget is searched for."""
    limit_s: float = math.inf
    """Seconds that all trainings may take."""
    damage_at: Callable[[float], float | None] | None = None
    """Expected loss increase of the plan for a demand, by what the plans so far were measured to
    lose; `None` where it is not known."""

    def accurate(self, candidate: Candidate) -> bool:
        """Return whether it keeps the accuracy budget."""
        limit = self.budget.accuracy_drop
        return limit is None or candidate.keeps(limit)

    def fast(self, candidate: Candidate) -> bool:
        """Return whether it is as fast as required."""
        return self.required is None or at_most(self.required, candidate.speedup)


@dataclass(frozen=True, kw_only=True)
class Step:
    """The next network to train: planned from the unpruned one, from the last student, or the
    last student itself."""

    kind: Kind
    demand: float | None


def damage_of(done: Sequence[PrunedCandidate]) -> float | None:
    """Expected loss increase of cuts one after the other; `None` where one has none."""
    return _sum(one.solution.expected_loss_increase for one in done)


def refitted_of(done: Sequence[PrunedCandidate]) -> float | None:
    """Measured loss increase of refitted cuts one after the other; `None` where one has none."""
    return _sum(0.0 if one.whole else one.refitted_loss for one in done)


def _sum(losses: Iterable[float | None]) -> float | None:
    found = [*losses]
    return None if None in found else math.fsum(filter(None, found))


def still_improving(best_epoch: int, epochs: int) -> bool:
    """Return whether a training of `epochs`, the untrained epoch 0 counted, had not ended."""
    return best_epoch > _STILL * (epochs - 1)


def run(
    first: TrainedPoint, goal: Goal, take: Callable[[Step, TrainedPoint], TrainedPoint]
) -> list[TrainedPoint]:
    """Trained networks, until one keeps the budget, or no plan or time is left."""
    points, spent, took = [first], first.seconds, first.seconds
    while True:
        step = next_step(points, goal)
        # The next training is taken to last as long as the last one did.
        if step is None or spent + took > goal.limit_s:
            return points
        last = points[-1]
        try:
            points.append(take(step, last))
        except BudgetInfeasible:  # no plan keeps the other budgets so fast
            return points
        # A network that follows from the last one has its trainings, too.
        took = points[-1].seconds - (0.0 if step.kind == "milder" else last.seconds)
        spent += took


def next_step(points: Sequence[TrainedPoint], goal: Goal) -> Step | None:
    """What to train after these networks; `None` where nothing promises more."""
    last = points[-1]
    if not last.judged.candidates:
        return None
    if goal.fastest:
        return _faster(points, goal)
    if last.judged.kept is not None:
        return None
    step = _toward_budget(last, goal)
    repeated = step is not None and any(
        step.kind != "longer" and _alike(step.demand, point.demand) for point in points
    )
    return None if repeated else step


def _toward_budget(last: TrainedPoint, goal: Goal) -> Step | None:
    """Milder where there is speed to spare, steeper where it lacks, longer elsewhere."""
    candidates, demand = last.judged.candidates, last.demand
    fast = [one for one in candidates if goal.fast(one)]
    if not fast:
        if demand is None or not any(map(goal.accurate, candidates)):
            return None
        best = max(one.speedup for one in candidates if goal.accurate(one))
        return _steeper(demand * (goal.required or 1.0) * MARGIN / best, demand, goal)
    if any(map(goal.accurate, fast)):
        return None  # another budget is missed, which no speed-up mends
    spare = _promising(fast, goal).speedup / (MARGIN * (goal.required or math.inf))
    if demand is not None and spare > _SPARE and demand > 1:
        mildest = max(1.0, demand / spare)
        if not last.improving or _suffices(mildest, last, goal):
            return Step(kind="milder", demand=mildest)
    return Step(kind="longer", demand=demand) if last.improving else None


def _suffices(demand: float, last: TrainedPoint, goal: Goal) -> bool:
    """Return whether the plan for a demand is expected to keep the accuracy, by what the last one
    lost for its damage; true where that is not known."""
    limit, before = goal.budget.accuracy_drop, last.cuts.damage
    damage = goal.damage_at(demand) if goal.damage_at else None
    if limit is None or not before or damage is None:
        return True
    lost = min(one.accuracy_drop for one in last.judged.candidates if goal.fast(one))
    return bool(lost * (damage / before) ** EXPONENT <= limit)


def _promising(files: Sequence[Candidate], goal: Goal) -> Candidate:
    """The fastest of those that lose little more than the most accurate one: of the files of a
    milder network it is the one to ship."""
    least = min(one.accuracy_drop for one in files)
    allowed = least + (goal.budget.accuracy_drop or 0.0) / 2
    near = [one for one in files if one.accuracy_drop <= allowed]
    return max(near, key=lambda one: one.speedup)


def _faster(points: Sequence[TrainedPoint], goal: Goal) -> Step | None:
    """By half as much again while the accuracy holds, then by bisection."""
    if goal.budget.accuracy_drop is None or points[-1].demand is None:
        return None
    held = [
        point.demand or 1.0
        for point in points
        if any(map(goal.accurate, point.judged.candidates))
    ]
    low = max(held, default=1.0)
    lost = [point.demand for point in points if (point.demand or 1.0) > low]
    high = min((demand for demand in lost if demand is not None), default=None)
    if high is None:
        return _steeper(min(low * _STEP, goal.ceiling), low, goal)
    if high < _NEAR * low:
        return None
    return Step(kind="milder", demand=math.sqrt(low * high))


def _steeper(demand: float, last: float, goal: Goal) -> Step | None:
    """A steeper plan than the last, where there is any."""
    demand = min(demand, goal.ceiling)
    return Step(kind="steeper", demand=demand) if demand > 1.01 * last else None


def _alike(one: float | None, other: float | None) -> bool:
    return one is None or other is None or abs(one / other - 1) < 0.01


def best_point(points: Sequence[TrainedPoint], goal: Goal) -> TrainedPoint:
    """The one that ends: within the budget the most accurate (or the fastest), else the nearest."""
    within = [
        (-kept.speedup if goal.fastest else kept.accuracy_drop, number)
        for number, point in enumerate(points)
        if (kept := point.judged.kept) is not None
    ]
    if within:
        return points[min(within)[1]]
    return min(points, key=lambda point: _nearest(point.judged, goal))


def _nearest(judged: Judged, goal: Goal) -> tuple[float, float]:
    """The least violation of the budgets by any file, and then its loss."""
    ranks = [
        (violation(one, goal.budget, goal.priority), one.accuracy_drop)
        for one in judged.candidates
    ]
    return min(ranks, default=(math.inf, math.inf))


def frontier_of(
    points: Sequence[TrainedPoint], best: TrainedPoint
) -> tuple[FrontierPoint, ...]:
    """The files of all trained networks, in the order of their training; the `best` one ends."""
    return tuple(
        row
        for number, point in enumerate(points, 1)
        for row in point.judged.points(f"trained {number}", final=point is best)
    )
