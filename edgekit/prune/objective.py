"""The planner's objective: the expected loss increase of a choice of widths and blocks.

Within a group, importance gives the fraction kept at each width, and the `log` of that fraction
the shape of the loss. Across groups and blocks, measured sensitivity gives the scale: the loss
increase of a group is `a * (-log(fraction kept)) ** p`, through the cuts that were tried. Where
no sensitivity was measured, each layer that writes a group counts alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.graph.graph import Group, WidthGraph
from edgekit.types import Plan, Sensitivity

Importance = Mapping[str, np.ndarray[Any, Any]]
_LEAST = 1e-6
_STEEPEST = 4.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Damage `scale * lost ** power`, where `lost` is `-log(fraction of importance kept)`."""

    scale: float
    power: float = 1.0

    def __call__(self, lost: float) -> float:
        return self.scale * lost**self.power if lost > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class PlanObjective:
    """`importance` scores units by group; blocks without a sensitivity may not be dropped."""

    graph: WidthGraph
    importance: Importance
    sensitivity: Sensitivity | None = None
    _fractions: dict[str, np.ndarray[Any, Any]] = field(
        default_factory=dict, init=False
    )
    _curves: dict[str, Curve] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        measured = self.sensitivity.groups if self.sensitivity else {}
        for group in self.graph.groups:
            scores = np.maximum(self.importance[group.id], 0)
            ordered = np.sort(scores)[::-1] + _LEAST / len(scores)
            self._fractions[group.id] = np.cumsum(ordered) / np.sum(ordered)
            points = [
                (self._lost(group.id, width), expected_loss_increase)
                for width, expected_loss_increase in measured.get(group.id, ())
            ]
            self._curves[group.id] = _through(points) or Curve(scale=layers(group))

    @property
    def _blocks(self) -> Mapping[str, float]:
        return self.sensitivity.blocks if self.sensitivity else {}

    @property
    def droppable(self) -> Collection[str]:
        """Blocks whose sensitivity was measured."""
        return self._blocks

    def of_width(self, group: Group, width: int) -> float:
        """Damage of keeping the `width` most important units of a group."""
        return self._curves[group.id](self._lost(group.id, width))

    def of_dropping(self, block: str) -> float:
        """Expected loss increase, in nats a sample, of dropping a block."""
        return self._blocks[block]

    def expected_loss_increase(
        self, widths: Mapping[str, int], dropped: Collection[str] = ()
    ) -> float:
        """The objective, to be minimized; a group that is not named is whole."""
        groups = sum(
            self.of_width(group, widths.get(group.id, group.units))
            for group in self.graph.groups
        )
        return groups + sum(self.of_dropping(name) for name in dropped)

    def _lost(self, group: str, width: int) -> float:
        return max(0.0, -math.log(self._fractions[group][width - 1]))


def _through(points: Sequence[tuple[float, float]]) -> Curve | None:
    """The curve through one or two (lost, loss increase), convex; `None` without a usable
    point."""
    points = sorted(
        (lost, expected_loss_increase)
        for lost, expected_loss_increase in points
        if lost > 1e-9
    )
    if not points:
        return None
    (first, expected_loss_increase), (last, more) = points[0], points[-1]
    power = 1.0
    if last > first * 1.001 and more > expected_loss_increase:
        power = math.log(more / expected_loss_increase) / math.log(last / first)
    power = min(max(power, 1.0), _STEEPEST)
    return Curve(scale=expected_loss_increase / first**power, power=power)


def keep_best(
    groups: Sequence[Group], widths: Mapping[str, int], importance: Importance
) -> Plan:
    """The plan that keeps the most important units of every group at these widths."""
    kept = {}
    for group in groups:
        if widths[group.id] < group.units:
            scores = importance.get(group.id, np.arange(group.units, 0, -1.0))
            best = np.argsort(-scores, kind="stable")[: widths[group.id]]
            kept[group.id] = tuple(sorted(int(unit) for unit in best))
    return Plan(kept=kept)


def layers(group: Group) -> int:
    """Number of layers that write this dimension: the weight of the group's importance."""
    writers = {slot.parameter for slot in group.slots if slot.dim == 0}
    return max(1, len([name for name in writers if name.endswith("weight")]))
