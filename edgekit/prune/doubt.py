"""Which costs were timed while the machine was busy with something else.

The anchor, one known operator, is timed in every batch: where it took more than the least that it
ever took, so did the batch's other cells. A first batch has nothing to be compared with, but its
rounds do not repeat: the two least of a cell differ by a percent or two on a machine at rest.
"""

from __future__ import annotations

from collections.abc import Collection

from edgekit.prune.gauge import Cell

SLOW = 1.15
"""Times the anchor's least cost past which a batch fell into a slow spell."""
SPREAD = 0.1
"""The share by which the two least rounds of a cell differ past which it does not repeat."""
FEW = 0.1
"""Share of doubtful cells that a table is still believed with."""


def slow(anchor: float | None, least: float | None) -> bool:
    """Whether the anchor took longer than it can, given the `least` it ever took."""
    return anchor is not None and least is not None and anchor > SLOW * least


def doubtful(cell: Cell, least: float | None) -> bool:
    """Whether a cell's cost may be the machine's load and not the operator's."""
    low = sorted(cell.rounds)[:2]
    spread = len(low) == 2 and low[1] > (1 + SPREAD) * low[0]
    return spread or slow(cell.anchor, least)


def many(cells: Collection[Cell], least: float | None) -> bool:
    """Whether so many cells are doubtful that their batch or table is."""
    return sum(doubtful(cell, least) for cell in cells) > FEW * len(cells)
