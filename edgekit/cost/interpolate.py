"""Choose the cells of a cost table to measure, and interpolate the others from their neighbors.

Operators that differ in their widths only are a family. Along the width that is written cost is a
staircase: the corners are measured first, then the cells where it turns, and a width between two
of equal cost costs the same. Along the width that is read cost is close to a line (Yang et al.,
"NetAdapt", 2018, arXiv:1804.03230, interpolate so): the staircases at both ends and in the middle
are looked at, and between them one cell, which shows whether the rest follows.

Where time is short, cells between costs that lie furthest apart come first, and the rest is
interpolated from what is there (`rest`).
"""

from __future__ import annotations

import math
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
    """The most valuable first: those without which nothing follows, then by the difference between
    the costs that they lie between."""


def step(
    requested: Iterable[OperatorShape], known: Mapping[str, float], tolerance: float
) -> Step:
    """One turn: `known` is cost by operator, costs within `tolerance` of each other are equal."""
    inferred: dict[str, float] = {}
    missing: list[tuple[float, OperatorShape]] = []
    for operators in _families(requested):
        lattice = _Lattice(operators, known, tolerance)
        turn = lattice.turn()
        missing += ((value, operators[place]) for place, value in turn.items())
        inferred |= lattice.by_operator(operators)
    missing.sort(key=lambda one: -one[0])
    return Step(inferred=inferred, missing=tuple(operator for _, operator in missing))


def rest(
    requested: Iterable[OperatorShape], known: Mapping[str, float]
) -> dict[str, float]:
    """The costs that are not `known`, each on a straight line between the nearest known ones.

    Every family must have the ends of its first and its last width read.
    """
    inferred: dict[str, float] = {}
    for operators in _families(requested):
        lattice = _Lattice(operators, known, tolerance=0.0)
        lattice.fill()
        inferred |= lattice.by_operator(operators)
    return inferred


def _families(
    requested: Iterable[OperatorShape],
) -> Iterable[Mapping[WidthPair, OperatorShape]]:
    families: dict[OperatorShape, dict[WidthPair, OperatorShape]] = {}
    for operator in requested:
        family, place = family_of(operator)
        families.setdefault(family, {})[place] = operator
    return families.values()


def family_of(operator: OperatorShape) -> tuple[OperatorShape, WidthPair]:
    """The common part of operators that differ in their widths only, and these widths."""
    if operator.kind in ("pool", "elementwise", "slice", "layer_norm"):
        place = (0, operator.outputs)
    elif operator.kind == "attention":
        place = (operator.groups, operator.outputs)
        return replace(operator, inputs=0, outputs=0, groups=0), place
    elif operator.kind == "conv" and 1 < operator.groups == operator.inputs:
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

    def by_operator(
        self, operators: Mapping[WidthPair, OperatorShape]
    ) -> dict[str, float]:
        """The inferred costs, by the operator's key."""
        return {operators[place].key: cost for place, cost in self.inferred.items()}

    def turn(self) -> dict[WidthPair, float]:
        """Infer what follows from what is known; return what has to be measured first, with
        what it is worth."""
        reads = list(self._lines)
        looked_at = {reads[0], reads[-1], reads[len(reads) // 2]}
        missing = self._turns(looked_at)
        if missing:
            return missing
        others = [read for read in reads if read not in looked_at]
        pilots = [self._lines[read][-1] for read in others]
        missing = {
            place: self._apart(place, looked_at)
            for place in pilots
            if place not in self._costs
        }
        if missing:
            return missing
        for read in others:
            low, high = _around(read, looked_at)
            if self._in_line(self._lines[read][-1], low, high):
                self._infer_between(read, low, high)
        return self._turns(others)

    def fill(self) -> None:
        """Infer all, a line at a time where the line has two costs, else from line to line."""
        whole = [read for read, line in self._lines.items() if self._has_ends(line)]
        for read in whole:
            line = self._lines[read]
            known = [place for place in line if place in self._costs]
            for low, high in pairwise(known):
                for place in line[line.index(low) + 1 : line.index(high)]:
                    self._infer(place, low, high, axis=1)
        for read, line in self._lines.items():
            for place in line:
                if place not in self._costs:
                    self._infer_across(place, _around(read, whole))

    def _has_ends(self, line: list[WidthPair]) -> bool:
        return line[0] in self._costs and line[-1] in self._costs

    def _infer_across(self, place: WidthPair, between: tuple[int, int]) -> None:
        """From two lines: each at the place's width, or at its nearest one."""
        low, high = (
            min(self._lines[read], key=lambda other: abs(other[1] - place[1]))
            for read in between
        )
        self._infer(place, low, high, axis=0)

    def _apart(self, place: WidthPair, looked_at: Iterable[int]) -> float:
        """The difference between the ends of the lines around a pilot."""
        low, high = (self._lines[read][-1] for read in _around(place[0], looked_at))
        return abs(self._costs[high] - self._costs[low])

    def _turns(self, reads: Iterable[int]) -> dict[WidthPair, float]:
        """What to measure next on lines of one width read; infers where these are level."""
        missing: dict[WidthPair, float] = {}
        for read in reads:
            line = self._lines[read]
            ends = [p for p in (line[0], line[-1]) if p not in self._costs]
            missing |= dict.fromkeys(ends, math.inf) or self._middles(line)
        return missing

    def _middles(self, line: list[WidthPair]) -> dict[WidthPair, float]:
        missing = {}
        known = [number for number, place in enumerate(line) if place in self._costs]
        for low, high in pairwise(known):
            between = line[low + 1 : high]
            if not between:
                continue
            if self._level(line[low], line[high]):
                for place in between:
                    self._infer(place, line[low], line[high], axis=1)
            else:
                apart = abs(self._costs[line[high]] - self._costs[line[low]])
                missing[between[len(between) // 2]] = apart
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
        cost = (
            self._costs[low]
            if low[axis] == high[axis]
            else _between(place, low, high, self._costs, axis)
        )
        self._costs[place] = self.inferred[place] = cost

    def _equal(self, one: float, other: float) -> bool:
        return abs(one - other) <= self._tolerance * max(abs(one), abs(other))


def _around(read: int, lines: Iterable[int]) -> tuple[int, int]:
    """The nearest of the lines on either side, or twice the nearest where one side has none."""
    ordered = sorted(lines)
    low = max((other for other in ordered if other <= read), default=ordered[0])
    high = min((other for other in ordered if other >= read), default=ordered[-1])
    return low, high


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
