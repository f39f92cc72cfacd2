"""The plan as a mixed-integer linear program, solved by HiGHS through SciPy.

A binary variable picks a width for each group, and one drops each residual block. A table over
several axes has one continuous variable a cell, tied to each axis by its marginals: with whole
picks on the axes, the only cells that fit are the picked ones. Where
the operators' graph is a tree the relaxation of this is tight (Wainwright and Jordan, 2008,
doi:10.1561/2200000001): only the budgets are left to branch on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy  # its parts are loaded where they are used: an unchanged build needs none

from edgekit.graph.blocks import Block
from edgekit.prune.cost_terms import Axis, Options, Term

SECONDS = 60.0
"""At most; a ResNet-50 takes two seconds of one core."""
GAP = 1e-3
"""Where the best found is within this fraction of the bound, it is taken."""
# Fewer combinations of widths than this are listed, to bound a sum by.
_JOINT = 1024
_OPTIMAL = 0


@dataclass(frozen=True, kw_only=True)
class Sum:
    """A linear expression: `constant + sum(weight * variable)`."""

    weights: Mapping[int, float] = field(default_factory=dict)
    constant: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        weights = dict(self.weights)
        for variable, weight in other.weights.items():
            weights[variable] = weights.get(variable, 0.0) + weight
        return Sum(weights=weights, constant=self.constant + other.constant)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice of a solved program. `gap` bounds how much better any other choice is, as a
    fraction."""

    widths: Mapping[str, int]
    dropped: tuple[str, ...]
    gap: float


class Program:
    """Variables and constraints; `total` makes expressions of terms, `limit` bounds them."""

    def __init__(
        self, options: Options, blocks: Sequence[Block], inner: Mapping[str, str]
    ) -> None:
        """`inner` names the block that a group lives in wholly: both go together."""
        self._integral: list[bool] = []
        self._rows: list[tuple[Mapping[int, float], float, float]] = []
        self._levels: dict[str, dict[int, int]] = {}
        self._joint: dict[Any, dict[tuple[int, ...], int]] = {}
        self.picks = {
            name: {width: self._variable(integral=True) for width in widths}
            for name, widths in options.items()
        }
        for picks in self.picks.values():
            self._exactly(dict.fromkeys(picks.values(), 1.0), 1.0)
        self.drops = {block.id: self._variable(integral=True) for block in blocks}
        for group, block in inner.items():
            if block in self.drops:
                # Its width is of no account then; one name for every such choice.
                whole = self.picks[group][options[group][-1]]
                self._add({self.drops[block]: 1.0, whole: -1.0}, -np.inf, 0.0)
        self._at_most_one_of_overlapping(blocks)

    def keep_blocks(self, least: int) -> None:
        """At least this many blocks stay."""
        most = len(self.drops) - least
        self._add(dict.fromkeys(self.drops.values(), 1.0), -np.inf, float(most))

    def total(self, terms: Sequence[Term[Any]], value: Callable[[Any], float]) -> Sum:
        """The sum of all terms that are not in a dropped block."""
        weights: dict[int, float] = {}
        constant = 0.0
        for term in terms:
            for variable, weight, always in self._parts(term, value):
                constant += always
                if variable is not None:
                    weights[variable] = weights.get(variable, 0.0) + weight
        return Sum(weights=weights, constant=constant)

    def limit(self, what: Sum, most: float, *, scale: float | None = None) -> None:
        """Bound an expression; rows are brought to one scale, for tolerances are absolute."""
        scale = scale or max(abs(most), 1e-9)
        weights = {variable: w / scale for variable, w in what.weights.items()}
        self._add(weights, -np.inf, (most - what.constant) / scale)

    def largest(self, amounts: Sequence[Sum]) -> Sum:
        """An expression that is at least the largest of these."""
        if len(amounts) == 1:
            return amounts[0]
        ceiling = max(a.constant + sum(map(abs, a.weights.values())) for a in amounts)
        most = self._variable()
        for amount in amounts:
            self.limit(amount + Sum(weights={most: -ceiling}), 0.0, scale=ceiling)
        return Sum(weights={most: ceiling})

    def minimize(self, what: Sum, *, seconds: float = SECONDS) -> Choice | None:
        """The best choice, within `GAP` or what `seconds` allow; `None` where there is none."""
        costs = np.zeros(len(self._integral))
        for variable, weight in what.weights.items():
            costs[variable] = weight
        costs /= max(float(np.abs(costs).max()), 1e-9)
        found = _interruptible(
            lambda: scipy.optimize.milp(
                costs,
                constraints=self._constraints(),
                integrality=np.array(self._integral, dtype=int),
                bounds=scipy.optimize.Bounds(0, 1),
                options={"time_limit": seconds, "mip_rel_gap": GAP},
            )
        )
        if found.x is None:
            return None
        return Choice(
            widths={
                name: max(picks, key=lambda width: found.x[picks[width]])
                for name, picks in self.picks.items()
            },
            dropped=tuple(name for name, v in self.drops.items() if found.x[v] > 0.5),
            gap=_gap(found),
        )

    def _parts(
        self, term: Term[Any], value: Callable[[Any], float]
    ) -> list[tuple[int | None, float, float]]:
        """(variable, its weight, what is added anyway) of a term."""
        values = term.values(value)
        gone = [self.drops[name] for name in term.blocks if name in self.drops]
        if not term.axes:
            fixed = next(iter(values.values()))
            return [(None, 0.0, fixed), *((drop, -fixed, 0.0) for drop in gone)]
        cells = self._cells(term.axes, gone)
        return [(cells[levels], objective, 0.0) for levels, objective in values.items()]

    def _cells(
        self, axes: tuple[Axis, ...], gone: Sequence[int]
    ) -> dict[tuple[int, ...], int]:
        """A variable per combination of levels; all are zero where a block is gone."""
        single = [self._axis(axis) for axis in axes]
        if len(axes) == 1 and not gone:
            return {(level,): pick for level, pick in single[0].items()}
        key = (tuple(axis.name for axis in axes), tuple(gone))
        if key in self._joint:
            return self._joint[key]
        cells = {
            levels: self._variable()
            for levels in itertools.product(*(axis.levels for axis in axes))
        }
        for place, picks in enumerate(single):
            for level, pick in picks.items():
                row = {v: 1.0 for at, v in cells.items() if at[place] == level}
                self._add({**row, pick: -1.0}, -np.inf if gone else 0.0, 0.0)
        if gone:
            row = dict.fromkeys(cells.values(), 1.0)
            self._exactly({**row, **dict.fromkeys(gone, 1.0)}, 1.0)
        self._joint[key] = cells
        return cells

    def _axis(self, axis: Axis) -> dict[int, int]:
        if axis.group is not None:
            return self.picks[axis.group]
        if axis.name not in self._levels:
            names = [name for name, _ in axis.slopes]
            count = math.prod(len(self.picks[name]) for name in names)
            few = axis.exact and count <= _JOINT
            self._levels[axis.name] = self._joined(axis) if few else self._summed(axis)
        return self._levels[axis.name]

    def _joined(self, axis: Axis) -> dict[int, int]:
        """A sum's levels by the combinations of widths that reach each: tight."""
        groups = tuple(
            Axis(name=name, levels=tuple(self.picks[name]), group=name)
            for name, _ in axis.slopes
        )
        names = [group.name for group in groups]
        reached: dict[int, dict[int, float]] = {level: {} for level in axis.levels}
        for widths, cell in self._cells(groups, ()).items():
            level = axis.level(dict(zip(names, widths, strict=True)))
            reached[level][cell] = 1.0
        levels = {level: self._variable() for level in axis.levels}
        for level, variable in levels.items():
            self._exactly({**reached[level], variable: -1.0}, 0.0)
        return levels

    def _summed(self, axis: Axis) -> dict[int, int]:
        """A sum's levels by its value, rounded up where it is not exact."""
        levels = {level: self._variable(integral=True) for level in axis.levels}
        self._exactly(dict.fromkeys(levels.values(), 1.0), 1.0)
        row = {variable: -float(level) for level, variable in levels.items()}
        for name, slope in axis.slopes:
            for width, pick in self.picks[name].items():
                row[pick] = row.get(pick, 0.0) + slope * width
        base = -float(axis.base)
        self._add(row, base if axis.exact else -np.inf, base)
        return levels

    def _at_most_one_of_overlapping(self, blocks: Sequence[Block]) -> None:
        """Dropping the outer of two nested blocks implies the inner one; the inner one is then
        kept."""
        nodes = {block.id: {*block.nodes, block.addition} for block in blocks}
        for one, other in itertools.combinations(nodes, 2):
            if nodes[one] & nodes[other]:
                pair = {self.drops[one]: 1.0, self.drops[other]: 1.0}
                self._add(pair, -np.inf, 1.0)

    def _variable(self, *, integral: bool = False) -> int:
        self._integral.append(integral)
        return len(self._integral) - 1

    def _exactly(self, weights: Mapping[int, float], value: float) -> None:
        self._add(weights, value, value)

    def _add(self, weights: Mapping[int, float], low: float, high: float) -> None:
        self._rows.append((weights, low, high))

    def _constraints(self) -> scipy.optimize.LinearConstraint:
        rows = [r for r, (weights, _, _) in enumerate(self._rows) for _ in weights]
        columns = [v for weights, _, _ in self._rows for v in weights]
        entries = [w for weights, _, _ in self._rows for w in weights.values()]
        matrix = scipy.sparse.csr_array(
            (entries, (rows, columns)), shape=(len(self._rows), len(self._integral))
        )
        low, high = zip(*((low, high) for _, low, high in self._rows), strict=True)
        return scipy.optimize.LinearConstraint(matrix, low, high)


def _gap(found: Any) -> float:
    if found.mip_gap is None or not math.isfinite(found.mip_gap):
        return 0.0 if found.status == _OPTIMAL else math.inf
    return float(found.mip_gap)


def _interruptible(solve: Callable[[], Any]) -> Any:
    """Solve in another thread, so that Ctrl-C reaches this one while the solver works."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(solve).result()
