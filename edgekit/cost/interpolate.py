"""Choose the cells of a cost table to measure, and interpolate the others from their neighbors.

Operators that differ in their widths only are a family. Along the width that is written cost is a
staircase: the corners are measured first, then the cells where it turns, and a width between two
of equal cost costs the same. Along the width that is read cost is close to a line (Yang et al.,
"NetAdapt", 2018, arXiv:1804.03230, interpolate so): the staircases at both ends and in the middle
are looked at, and between them one cell, which shows whether the rest follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from edgekit.types.operator_shape import OperatorShape

WidthPair = tuple[int, int]
"""Widths that an operator reads and writes; where they are one, it is written and 0 is read."""

# No step of a staircase is taken to be wider: kernels take at most so many channels at a time.
_WIDEST_STEP = 16


@dataclass(frozen=True, kw_only=True)
class Step:
    """The costs that follow without measuring, and the cells to measure next; empty once all
    are there."""

    inferred: Mapping[str, float]
    missing: tuple[OperatorShape, ...]


def step(
    requested: Iterable[OperatorShape], known: Mapping[str, float], tolerance: float
) -> Step:
    """One turn: `known` is cost by operator, costs within `tolerance` of each other are equal."""
    families: dict[OperatorShape, dict[WidthPair, OperatorShape]] = {}
    for operator in requested:
        family, place = family_of(operator)
        families.setdefault(family, {})[place] = operator
    inferred: dict[str, float] = {}
    missing: list[OperatorShape] = []
    for operators in families.values():
        lattice = _Lattice(operators, known, tolerance)
        missing += (operators[place] for place in lattice.turn())
        inferred |= {
            operators[place].key: cost for place, cost in lattice.inferred.items()
        }
    return Step(inferred=inferred, missing=tuple(missing))


def family_of(operator: OperatorShape) -> tuple[OperatorShape, WidthPair]:
    """The common part of operators that differ in their widths only, and these widths."""
    if operator.kind in ("pool", "elementwise", "slice"):
        place = (0, operator.outputs)
    elif 1 < operator.groups == operator.inputs:
        place = (0, operator.outputs)
        multiplier = operator.outputs // operator.inputs
        return replace(operator, inputs=-1, outputs=-multiplier, groups=-1), place
    else:
        place = (operator.inputs, operator.outputs)
    return replace(operator, inputs=0, outputs=0), place


class _Lattice:
    """One family's cells in the plane of widths read and written."""

    def __init__(
        self,
        requested: Mapping[WidthPair, OperatorShape],
        known: Mapping[str, float],
        tolerance: float,
    ) -> None:
        self._tolerance = tolerance
        self._lines: dict[int, list[WidthPair]] = {}
        for place in sorted(requested):
            self._lines.setdefault(place[0], []).append(place)
        self._costs = {
            place: known[operator.key]
            for place, operator in requested.items()
            if operator.key in known
        }
        self.inferred: dict[WidthPair, float] = {}

    def turn(self) -> list[WidthPair]:
        """Infer what follows from what is known; return what has to be measured first."""
        reads = list(self._lines)
        looked_at = {reads[0], reads[-1], reads[len(reads) // 2]}
        missing = [place for read in looked_at for place in self._turns(read)]
        if missing:
            return missing
        others = [read for read in reads if read not in looked_at]
        pilots = [self._lines[read][-1] for read in others]
        missing = [place for place in pilots if place not in self._costs]
        if missing:
            return missing
        for read in others:
            low = max(other for other in looked_at if other < read)
            high = min(other for other in looked_at if other > read)
            if self._in_line(self._lines[read][-1], low, high):
                self._infer_between(read, low, high)
        return [place for read in others for place in self._turns(read)]

    def _turns(self, read: int) -> list[WidthPair]:
        """What to measure next on the line of one width read; infers where it is level."""
        line = self._lines[read]
        ends = [place for place in (line[0], line[-1]) if place not in self._costs]
        if ends:
            return list(dict.fromkeys(ends))
        missing = []
        known = [number for number, place in enumerate(line) if place in self._costs]
        for low, high in pairwise(known):
            between = line[low + 1 : high]
            if not between:
                continue
            if self._level(line[low], line[high]):
                for place in between:
                    self._infer(place, line[low], line[high], axis=1)
            else:
                missing.append(between[len(between) // 2])
        return missing

    def _level(self, low: WidthPair, high: WidthPair) -> bool:
        near = high[1] - low[1] <= _WIDEST_STEP
        return near and self._equal(self._costs[low], self._costs[high])

    def _in_line(self, place: WidthPair, low: int, high: int) -> bool:
        ends = (low, place[1]), (high, place[1])
        if any(end not in self._costs for end in ends):
            return False
        expected = _between(place, *ends, self._costs, axis=0)
        return self._equal(expected, self._costs[place])

    def _infer_between(self, read: int, low: int, high: int) -> None:
        for place in self._lines[read]:
            ends = (low, place[1]), (high, place[1])
            if place not in self._costs and all(end in self._costs for end in ends):
                self._infer(place, *ends, axis=0)

    def _infer(
        self, place: WidthPair, low: WidthPair, high: WidthPair, axis: int
    ) -> None:
        cost = _between(place, low, high, self._costs, axis)
        self._costs[place] = self.inferred[place] = cost

    def _equal(self, one: float, other: float) -> bool:
        return abs(one - other) <= self._tolerance * max(abs(one), abs(other))


def _between(
    place: WidthPair,
    low: WidthPair,
    high: WidthPair,
    costs: Mapping[WidthPair, float],
    axis: int,
) -> float:
    """The cost at `place` on the line from `low` to `high` along `axis`."""
    fraction = (place[axis] - low[axis]) / (high[axis] - low[axis])
    return costs[low] + fraction * (costs[high] - costs[low])
