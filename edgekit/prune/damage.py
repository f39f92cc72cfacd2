"""Measured losses of whole plans correct what their cuts are worth, for the next solve.

Cuts are tried one at a time and as they are; a plan is of many, refitted and trained. Its measured
loss is a sum of its cuts' damages, each times a factor of its own, times what refitting or
training makes up for in all plans alike. Factors are log-normal around 1: a plan that loses more
than expected makes the few cuts suspicious that it mostly consists of, and hardly many
small ones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from edgekit.prune.objective import PlanObjective
from edgekit.types import Sensitivity

_FACTOR, _NOISE = 1.0, 0.2
"""Standard deviations of logarithms: of a cut's factor, and of a measured loss."""
_COMMON = {False: 0.5, True: 3.0}
"""The same of what all plans have in common, refitted alone and trained."""
_LEAST, _NOTHING = 1e-5, 1e-9


@dataclass(frozen=True, kw_only=True)
class MeasuredPlan:
    """A plan, and the loss of its network."""

    damages: Mapping[str, float]
    """Expected of each group's cut and of each dropped block, in nats a sample."""
    loss: float
    """Measured, in the same unit."""
    trained: bool = False
    """True where the network was trained, and not refitted alone."""


def damages_of(
    objective: PlanObjective, widths: Mapping[str, int], dropped: Collection[str]
) -> dict[str, float]:
    """Expected loss increase of each cut of a plan."""
    groups = {
        group.id: objective.of_width(group, widths.get(group.id, group.units))
        for group in objective.graph.groups
    }
    found = {**groups, **{name: objective.of_dropping(name) for name in dropped}}
    return {name: damage for name, damage in found.items() if damage > _NOTHING}


def factors(plans: Sequence[MeasuredPlan]) -> dict[str, float]:
    """Factor of the damage of each group and block that a measured plan cuts."""
    plans = [plan for plan in plans if plan.damages]
    names = sorted({name for plan in plans for name in plan.damages})
    if not names:
        return {}
    expected = np.array(
        [[plan.damages.get(name, 0.0) for name in names] for plan in plans]
    )
    measured = np.log([max(plan.loss, _LEAST) for plan in plans])
    trained = np.array([plan.trained for plan in plans])
    spreads = np.array([*[_FACTOR] * len(names), _COMMON[False], _COMMON[True]])

    def residuals(found: np.ndarray) -> np.ndarray:
        logs, (refitted, after) = found[:-2], found[-2:]
        sums = np.log(expected @ np.exp(logs)) + np.where(trained, after, refitted)
        return np.concatenate([(sums - measured) / _NOISE, found / spreads])

    solved = least_squares(residuals, np.zeros(len(spreads)))
    return {name: math.exp(log) for name, log in zip(names, solved.x, strict=False)}


def corrected(senses: Sensitivity, by: Mapping[str, float]) -> Sensitivity:
    """Sensitivity with the damages of groups and blocks times their factors."""
    groups = {
        name: tuple((width, by.get(name, 1.0) * damage) for width, damage in points)
        for name, points in senses.groups.items()
    }
    blocks = {
        name: by.get(name, 1.0) * damage for name, damage in senses.blocks.items()
    }
    return replace(senses, groups=groups, blocks=blocks)
