"""Plans drawn around the damages that are known, all of one cost, to be refitted and measured.

Cuts are tried one at a time and as they are, which ranks whole refitted plans only roughly: one of
twenty plans that cost the same often loses a third less, after training too. Drawing at random is
hard to beat where few of the dimensions matter (Bergstra and Bengio, 2012, JMLR 13).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.weighed import Weighed
from edgekit.program.program import Program
from edgekit.prune.solution import Solution
from edgekit.types import Plan

SPREADS = 1.0, 0.5
"""Standard deviations of the logarithm of each factor that is drawn: half of the plans around what
is known, and the others nearer to the best of those."""
MOST = 24
"""Plans that are drawn at most, where the time is enough."""
PART = 0.2
"""Of the seconds that training is expected to take, those that plans are drawn in."""
_TRIES = 4
"""Draws for each plan: many come to the same one."""
Timed: TypeAlias = Callable[
    [Weighed, PlanConstraints, Solution, float], PrunedCandidate
]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Number of plans to draw, the time for it, and their networks."""

    count: int = MOST
    limit_s: float = math.inf
    """After which none is begun."""
    epochs: int = 0
    """Of the training that the time is a part of."""
    cost: float | None = None
    """Of every plan; `None` where none is asked for."""
    network: Callable[[Weighed, Solution], Program]
    """The network of a plan."""
    timed: Timed
    """The plan as a candidate, timed and refitted, given the speed-up that is expected of it."""
    refits: bool
    """True where its layers are refitted."""
    seed: int = 0


def drawn(
    weighed: Weighed,
    constraints: PlanConstraints,
    seen: list[Plan],
    draws: Draws,
    spread: float,
) -> Iterator[tuple[Mapping[str, float], Solution]]:
    """At most `count` plans that are not among those `seen`, and the factors of damages that each
    is the best by: around the weighed network's own. They are added to those seen."""
    random = np.random.default_rng((draws.seed, round(1000 * spread)))
    names = [group.id for group in weighed.planner.graph.groups]
    names += weighed.senses.blocks
    few = len(seen) + draws.count
    for _ in range(_TRIES * draws.count):
        logs = random.normal(0.0, spread, len(names))
        factors = {
            name: weighed.factors.get(name, 1.0) * math.exp(log)
            for name, log in zip(names, logs, strict=True)
        }
        try:
            at = replace(weighed, factors=factors)
            solution = at.solve(constraints, draws.cost)
        except BudgetInfeasible:  # the cost is a plan's own, rounded
            return
        if solution.plan not in seen:
            seen.append(solution.plan)
            yield factors, solution
        if len(seen) >= few:
            return
