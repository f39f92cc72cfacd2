"""Detect costs that were timed while the machine was busy with something else.

The anchor, one known operator, is timed in every batch: where it took more than the least that it
ever took, so did the batch's other cells. A first batch has nothing to be compared with, but its
rounds do not repeat (the two least of a cell differ by a percent or two on a machine at rest), or
its process had less than a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from edgekit.cost.measure import ANCHOR, Fill, OperatorCost
from edgekit.types.operator_shape import OperatorShape

SLOW = 1.15
"""Times the anchor's least cost past which a batch fell into a slow spell."""
SPREAD = 0.1
"""The fraction by which the two least rounds of a cell differ past which it does not repeat."""
FRACTION = 0.9
"""Processor time over wall time below which others ran while a batch was timed."""
FEW = 0.1
"""Fraction of doubtful cells that a table is still believed with."""


def beside_anchor(
    fill: Fill, batch: Sequence[OperatorShape]
) -> dict[str, OperatorCost]:
    """The batch with the anchor, each cell with what the anchor took beside it."""
    cells = fill([*batch, ANCHOR])
    beside = cells[ANCHOR.key].cost
    return {name: replace(cell, anchor=beside) for name, cell in cells.items()}


def slow(anchor: float | None, least: float | None) -> bool:
    """Return whether the anchor took longer than it can, given the `least` it ever took."""
    return anchor is not None and least is not None and anchor > SLOW * least


def unsteady(cell: OperatorCost, least: float | None) -> bool:
    """Return whether a cell fell into a slow spell, so that it is worth measuring at once again."""
    low = sorted(cell.rounds)[:2]
    spread = len(low) == 2 and low[1] > (1 + SPREAD) * low[0]
    return spread or slow(cell.anchor, least)


def doubtful(cell: OperatorCost, least: float | None) -> bool:
    """Return whether a cell's cost may be the machine's load and not the operator's."""
    starved = cell.fraction is not None and cell.fraction < FRACTION
    return starved or unsteady(cell, least)


def many(
    cells: Collection[OperatorCost], wrong: Callable[[OperatorCost], bool]
) -> bool:
    """Return whether so many cells are wrong that their batch or table is."""
    return sum(map(wrong, cells)) > FEW * len(cells)


def cheaper(one: OperatorCost, other: OperatorCost) -> OperatorCost:
    """The lower of two costs of an operator: noise only ever adds."""
    return one if one.cost <= other.cost else other
