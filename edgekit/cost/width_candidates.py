"""Choose the widths of a group to offer: those at which cost drops.

Cost is a staircase in width, and a runtime's own (Radu et al., 2019, arXiv:1909.02375,
"performance aware convolutional neural network channel pruning"). A scan looks at one group
alone, the others whole and at half, on the measured table. A width that costs as much as a
wider one is dominated: it loses units and gains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.cost.operator_shape import describe, groups_at
from edgekit.graph.graph import Group, WidthGraph
from edgekit.types.operator_shape import OperatorShape

LEVELS = 8
"""Widths offered to the solver for one group."""
_SCANNED = 32
_SCANNED_WIDE = 16
_WIDE = 64


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The operators that a group meets, by its width, for each setting of the others."""

    group: str
    settings: tuple[Mapping[int, tuple[OperatorShape, ...]], ...]

    def operators(self) -> Iterator[OperatorShape]:
        """Every operator of every setting."""
        for setting in self.settings:
            for operators in setting.values():
                yield from operators


def width_options(
    group: Group, *, multiple: int, min_keep: float, levels: int = LEVELS
) -> tuple[int, ...]:
    """The widths offered for a group without a table: multiples of `multiple`.

    From `min_keep` up, and all. A group no wider than the multiple is offered multiples of a
    half, a quarter of it.
    """
    least = max(1, math.ceil(group.units * min_keep))
    step = multiple
    while step >= group.units and step > 1:
        step //= 2
    offered = [width for width in range(step, group.units, step) if width >= least]
    return (*_thinned(offered, levels - 1), group.units)


def scanned(graph: WidthGraph, min_keep: float) -> list[Scan]:
    """A scan for every group, its operators still to be measured."""
    halves = {group.id: max(1, group.units // 2) for group in graph.groups}
    nodes: dict[str, list[object]] = {group.id: [] for group in graph.groups}
    for node in graph.program.module.graph.nodes:
        if describe(graph, node) is not None:
            for name in groups_at(graph, node):
                nodes[name].append(node)

    def read(
        group: Group, others: Mapping[str, int]
    ) -> dict[int, tuple[OperatorShape, ...]]:
        return {
            width: tuple(
                operator
                for node in nodes[group.id]
                if (operator := describe(graph, node, {**others, group.id: width}))  # type: ignore[arg-type]
            )
            for width in _grid(group.units, min_keep)
        }

    return [
        Scan(group=group.id, settings=(read(group, {}), read(group, halves)))
        for group in graph.groups
    ]


def width_candidates(
    scan: Scan,
    cost_of: Callable[[OperatorShape], float],
    tolerance: float,
    levels: int = LEVELS,
) -> tuple[int, ...]:
    """The widths at which the group's operators get cheaper, in any setting; the least and all.

    Savings below a fraction of `tolerance` do not count as a step. The least stays for budgets
    other than time.
    """
    corners: set[int] = set()
    for setting in scan.settings:
        cost = {width: sum(map(cost_of, ops)) for width, ops in setting.items()}
        widest = max(cost)
        corners |= {widest, min(cost)}
        best = cost[widest]
        for width in sorted(cost, reverse=True):
            if cost[width] < best * (1 - tolerance):
                corners.add(width)
                best = cost[width]
    *some, whole = sorted(corners)
    return (*_thinned(some, levels - 1), whole)


def _grid(units: int, min_keep: float) -> list[int]:
    least = max(1, math.ceil(units * min_keep))
    step = math.ceil(units / (_SCANNED if units <= _WIDE else _SCANNED_WIDE))
    widths = range(units, 0, -step)
    return sorted({least, *(width for width in widths if width >= least)})


def _thinned(widths: list[int], count: int) -> tuple[int, ...]:
    """At most `count` of these, evenly, both ends among them."""
    if len(widths) <= count:
        return tuple(widths)
    places = np.linspace(0, len(widths) - 1, count).round().astype(int)
    return tuple(widths[place] for place in sorted({*places.tolist()}))
