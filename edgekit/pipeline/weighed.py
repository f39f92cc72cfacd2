"""The worth of a network's units, and the plans that are solved by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgekit.data import Dataset
from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.constraints import PlanConstraints, infeasible
from edgekit.pipeline.unit_scores import Scores, probe, score_importance
from edgekit.progress import Progress
from edgekit.prune.damage import corrected
from edgekit.prune.objective import PlanObjective
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.store import Store
from edgekit.types import Sensitivity


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """The worth of the units of a planner's network."""

    planner: Planner
    scores: Mapping[str, Scores]
    senses: Sensitivity
    """As cuts were tried alone."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """Of the damage of groups and blocks, by plans that were measured."""

    @property
    def objective(self) -> PlanObjective:
        """The expected damage of plans, as cuts were tried alone."""
        return PlanObjective(
            graph=self.planner.graph, importance=self.scores, sensitivity=self.senses
        )

    def solve(self, constraints: PlanConstraints, cost: float | None) -> Solution:
        """The plan inside an aim's limits and this cost, by corrected damages; its expected loss
        increase is the one without: the law of trained networks is of that.

        Raises `BudgetInfeasible`, naming the nearest feasible figures, where there is none.
        """
        senses = corrected(self.senses, self.factors)
        found = solve_for(self.planner, self.scores, senses, constraints, cost)
        if not self.factors:
            return found
        gone = self.planner.gone(found.dropped)
        widths = {n: width for n, width in found.widths.items() if n not in gone}
        plain = self.objective.expected_loss_increase(widths, found.dropped)
        return replace(found, expected_loss_increase=plain)


def weigh(
    planner: Planner, train: Dataset, criterion: str, progress: Progress, store: Store
) -> Weighed:
    """The worth of the units of the planner's network, on training samples."""
    scores = score_importance(planner.graph, train, criterion, progress, store)
    senses = probe(planner, scores, train, progress, store)
    return Weighed(planner=planner, scores=scores, senses=senses)


def solve_for(
    planner: Planner,
    scores: Mapping[str, Scores],
    senses: Sensitivity,
    constraints: PlanConstraints,
    cost: float | None,
) -> Solution:
    """The plan inside an aim's limits and this cost.

    Raises `BudgetInfeasible`, naming the nearest feasible figures, where there is none.
    """
    limits = constraints.limits(cost)
    try:
        return planner.solve(scores, limits, senses)
    except BudgetInfeasible as error:
        raise infeasible(planner, limits, constraints) from error
