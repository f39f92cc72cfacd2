"""The solver: from what widths cost and how much their units matter to the widths to keep.

One CP-SAT model decides the width of every group of coupled dimensions together. An operator's
cost depends on the widths on both of its sides, so each operator is a table over its axes, and
the table enters the model exactly. The objective is the sum over groups of log(importance kept):
concave, so no group is emptied to spare another (proportional fairness; Kelly et al., 1998,
doi:10.1057/palgrave.jors.2600523).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from torch import fx

from edgekit.devices import Device
from edgekit.errors import BudgetInfeasible
from edgekit.prune.cost import CostTable
from edgekit.prune.graph import Group, WidthGraph
from edgekit.prune.workload import (
    Operator,
    describe,
    groups_at,
    groups_of,
    parameter_nodes,
)
from edgekit.types import OperatorRow, Plan

Widths = Mapping[str, int]
_LEVELS = 8
_SOLVER_SECONDS = 20.0
_UTILITY_SCALE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the network may take: operator time in microseconds, parameters in number."""

    us: float | None = None
    parameters: int | None = None


@dataclass(frozen=True, kw_only=True)
class Solution:
    plan: Plan
    widths: Mapping[str, int]
    us: float
    """Operator time of the planned network by the table."""
    parameters: int
    optimal: bool


def width_options(
    group: Group, *, multiple: int, min_keep: float, levels: int = _LEVELS
) -> tuple[int, ...]:
    """The widths offered for a group: multiples of `multiple` from `min_keep` up, and all.

    A group no wider than the multiple is offered multiples of a half, a quarter of it.
    """
    least = max(1, math.ceil(group.units * min_keep))
    step = multiple
    while step >= group.units and step > 1:
        step //= 2
    offered = [width for width in range(step, group.units, step) if width >= least]
    if len(offered) >= levels:
        places = np.linspace(0, len(offered) - 1, levels - 1).round().astype(int)
        offered = [offered[place] for place in sorted(set(places))]
    return (*offered, group.units)


class Planner:
    """Everything about one network on one runtime that does not depend on the budget."""

    def __init__(
        self,
        graph: WidthGraph,
        table: CostTable,
        *,
        multiple: int,
        min_keep: float,
        options: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        """`options` of the network this one was cut from are offered again where they fit."""
        self.graph = graph
        self.table = table
        self.options = {
            group.id: tuple(w for w in options[group.id] if w <= group.units)
            if options and group.id in options
            else width_options(group, multiple=multiple, min_keep=min_keep)
            for group in graph.groups
        }
        self._operators = _operator_terms(graph, self.options)
        self._parameters = _parameter_terms(graph, self.options)

    def measure(
        self,
        device: Device | None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Fill the cost table with every cell the solver may look up."""
        wanted = (
            Operator(**dict(zip(_FIELDS, cell, strict=True)))
            for term in self._operators
            for cell in term.cells.values()
        )
        return self.table.measure(wanted, device, on_progress)

    def us(self, widths: Widths, device: Device | None) -> float:
        """Operator time of the network with these widths, measuring cells that are missing."""
        operators = [o for _, o in self.operators(widths)]
        self.table.measure(operators, device)
        return sum(self.table.cost(operator) for operator in operators)

    def operators(self, widths: Widths | None = None) -> list[tuple[str, Operator]]:
        """Every operator that costs something, by its layer's name, in order of execution."""
        found = []
        for node in self.graph.program.module.graph.nodes:
            operator = describe(self.graph, node, widths)
            if operator is not None:
                found.append((_layer(node), operator))
        return found

    def rows(self, widths: Widths) -> tuple[OperatorRow, ...]:
        """Where time goes before and after, by the table; the cells must be measured."""
        return tuple(
            OperatorRow(
                name=name,
                kind=before.kind,
                before=self.table.cost(before),
                after=self.table.cost(after),
            )
            for (name, before), (_, after) in zip(
                self.operators(), self.operators(widths), strict=True
            )
        )

    def parameters(self, widths: Widths | None = None) -> int:
        """How many weights the network has with these widths."""
        return sum(
            math.prod(self.graph.shape(node, widths or {}))
            for node in parameter_nodes(self.graph)
        )

    def macs(self, widths: Widths | None = None) -> int:
        return sum(operator.macs for _, operator in self.operators(widths))

    def cheapest(self) -> Solution:
        """The least operator time that the offered widths can reach."""
        return self._solve(None, Limits())

    def solve(
        self, importance: Mapping[str, np.ndarray[Any, Any]], limits: Limits
    ) -> Solution:
        """The most important network inside `limits`; raises `BudgetInfeasible` where none is."""
        return self._solve(importance, limits)

    def _solve(
        self, importance: Mapping[str, np.ndarray[Any, Any]] | None, limits: Limits
    ) -> Solution:
        from ortools.sat.python import cp_model

        model = _Model(cp_model.CpModel(), self.options)
        ns = model.total(self._operators, self._nanoseconds)
        weights = model.total(self._parameters, lambda shape: math.prod(shape))
        if limits.us is not None:
            model.cp.Add(ns <= round(limits.us * 1000))
        if limits.parameters is not None:
            model.cp.Add(weights <= limits.parameters)
        if importance is None:
            model.cp.Minimize(ns)
        else:
            model.cp.Maximize(model.utility(self.graph.groups, importance))
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = _SOLVER_SECONDS
        solver.parameters.num_workers = 2
        solver.parameters.random_seed = 0
        status = _interruptible(solver, model.cp)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            raise BudgetInfeasible("No network inside these limits.")
        widths = model.chosen(solver)
        return Solution(
            plan=keep_best(self.graph.groups, widths, importance or {}),
            widths=widths,
            us=solver.Value(ns) / 1000,
            parameters=solver.Value(weights),
            optimal=status == cp_model.OPTIMAL,
        )

    def _nanoseconds(self, cell: tuple[Any, ...]) -> int:
        operator = Operator(**dict(zip(_FIELDS, cell, strict=True)))
        return round(self.table.cost(operator) * 1000)


def keep_best(
    groups: Sequence[Group],
    widths: Widths,
    importance: Mapping[str, np.ndarray[Any, Any]],
) -> Plan:
    """The plan that keeps the most important units of every group at these widths."""
    kept = {}
    for group in groups:
        scores = importance.get(group.id, np.arange(group.units, 0, -1.0))
        best = np.argsort(-scores, kind="stable")[: widths[group.id]]
        if len(best) < group.units:
            kept[group.id] = tuple(sorted(int(unit) for unit in best))
    return Plan(kept=kept)


def _interruptible(solver: Any, model: Any) -> Any:
    """Solve in another thread, so that Ctrl-C reaches this one at once.

    The solver's own handler would leave the signal's default behind it, which kills the process
    with whatever it has half-written.
    """
    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(1) as pool:
        status = pool.submit(solver.Solve, model)
        try:
            return status.result()
        except BaseException:
            solver.stop_search()
            raise


# --- tables over axes -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """A quantity with a few levels: the width of one group, or a sum of several.

    `slopes` gives the quantity as `base + sum(slope * width)`; the model takes the lowest
    level that is not below it.
    """

    name: str
    levels: tuple[int, ...]
    group: str | None = None
    base: int = 0
    slopes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class _Term:
    """What one operator or parameter is at each combination of its axes' levels."""

    axes: tuple[_Axis, ...]
    cells: Mapping[tuple[int, ...], tuple[Any, ...]]


_FIELDS = tuple(field.name for field in fields(Operator))


def _operator_terms(
    graph: WidthGraph, options: Mapping[str, tuple[int, ...]]
) -> list[_Term]:
    terms = []
    for node in graph.program.module.graph.nodes:
        if describe(graph, node) is None:
            continue

        def read(widths: Widths, node: fx.Node = node) -> tuple[Any, ...]:
            operator = describe(graph, node, widths)
            return tuple(getattr(operator, name) for name in _FIELDS)

        terms.append(_term(groups_at(graph, node), options, read))
    return terms


def _parameter_terms(
    graph: WidthGraph, options: Mapping[str, tuple[int, ...]]
) -> list[_Term]:
    terms = []
    for node in parameter_nodes(graph):

        def read(widths: Widths, node: fx.Node = node) -> tuple[Any, ...]:
            return graph.shape(node, widths)

        terms.append(_term(groups_of(graph, node), options, read))
    return terms


def _term(
    groups: Sequence[str],
    options: Mapping[str, tuple[int, ...]],
    read: Callable[[Widths], tuple[Any, ...]],
) -> _Term:
    """A table over the groups themselves where they are few, else over the fields they move."""
    if len(groups) <= 2:
        axes = tuple(_Axis(name, options[name], group=name) for name in groups)
        cells = {
            levels: read(dict(zip(groups, levels, strict=True)))
            for levels in itertools.product(*(axis.levels for axis in axes))
        }
        return _Term(axes, cells)
    return _summed_term(groups, options, read)


def _summed_term(
    groups: Sequence[str],
    options: Mapping[str, tuple[int, ...]],
    read: Callable[[Widths], tuple[Any, ...]],
) -> _Term:
    """Axes that are sums of groups, as after a concatenation.

    A field that is not a sum of widths (a product of three groups, say) is held at its full
    value, which never makes a network look cheaper than it is.
    """
    full = {name: options[name][-1] for name in groups}
    least = {name: options[name][0] for name in groups}
    whole = read(full)
    axes: dict[tuple[int, tuple[tuple[str, int], ...]], _Axis] = {}
    places: dict[int, int] = {}
    for place, value in enumerate(whole):
        if not isinstance(value, int) or read(least)[place] == value:
            continue
        slopes = tuple(
            (name, (value - read({**full, name: least[name]})[place]) // span)
            for name in groups
            if (span := full[name] - least[name])
        )
        slopes = tuple((name, slope) for name, slope in slopes if slope)
        base = value - sum(slope * full[name] for name, slope in slopes)
        bottom = base + sum(slope * least[name] for name, slope in slopes)
        if bottom != read(least)[place]:
            continue
        known = axes.setdefault((base, slopes), _sum_axis(base, slopes, bottom, value))
        places[place] = list(axes.values()).index(known)
    cells = {}
    for levels in itertools.product(*(axis.levels for axis in axes.values())):
        row = list(whole)
        for place, axis in places.items():
            row[place] = levels[axis]
        cells[levels] = tuple(row)
    return _Term(tuple(axes.values()), cells)


def _sum_axis(
    base: int, slopes: tuple[tuple[str, int], ...], bottom: int, top: int
) -> _Axis:
    levels = sorted({*np.linspace(bottom, top, _LEVELS).round().astype(int).tolist()})
    name = "+".join(f"{slope}*{group}" for group, slope in slopes) + f"+{base}"
    return _Axis(name, tuple(levels), base=base, slopes=slopes)


# --- the CP-SAT model -----------------------------------------------------------------------


class _Model:
    def __init__(self, cp: Any, options: Mapping[str, tuple[int, ...]]) -> None:
        self.cp = cp
        self._options = options
        self._picks = {
            name: {width: cp.NewBoolVar(f"{name}={width}") for width in widths}
            for name, widths in options.items()
        }
        for picks in self._picks.values():
            cp.AddExactlyOne(picks.values())
        self._levels: dict[str, dict[int, Any]] = {}
        self._joint: dict[tuple[str, ...], dict[tuple[int, ...], Any]] = {}

    def total(self, terms: Iterable[_Term], value: Callable[[Any], int]) -> Any:
        """The sum of all terms as one linear expression."""
        variables, weights, constant = [], [], 0
        for term in terms:
            if not term.axes:
                constant += value(next(iter(term.cells.values())))
                continue
            for levels, pick in self._cells(term.axes).items():
                variables.append(pick)
                weights.append(value(term.cells[levels]))
        return sum(w * v for w, v in zip(weights, variables, strict=True)) + constant

    def utility(
        self,
        groups: Sequence[Group],
        importance: Mapping[str, np.ndarray[Any, Any]],
    ) -> Any:
        terms = []
        for group in groups:
            scores = np.sort(np.maximum(importance[group.id], 0))[::-1]
            share = np.cumsum(scores + 1e-9) / np.sum(scores + 1e-9)
            for width, pick in self._picks[group.id].items():
                worth = _layers(group) * math.log(share[width - 1])
                terms.append(round(worth * _UTILITY_SCALE) * pick)
        return sum(terms)

    def chosen(self, solver: Any) -> dict[str, int]:
        return {
            name: next(width for width, pick in picks.items() if solver.Value(pick))
            for name, picks in self._picks.items()
        }

    def _axis(self, axis: _Axis) -> dict[int, Any]:
        if axis.group is not None:
            return self._picks[axis.group]
        if axis.name not in self._levels:
            levels = {
                level: self.cp.NewBoolVar(f"{axis.name}={level}")
                for level in axis.levels
            }
            self.cp.AddExactlyOne(levels.values())
            quantity = axis.base + sum(
                slope * width * pick
                for name, slope in axis.slopes
                for width, pick in self._picks[name].items()
            )
            self.cp.Add(quantity <= sum(v * pick for v, pick in levels.items()))
            self._levels[axis.name] = levels
        return self._levels[axis.name]

    def _cells(self, axes: tuple[_Axis, ...]) -> dict[tuple[int, ...], Any]:
        """A boolean per combination of levels, tied to each axis by its marginals."""
        single = [self._axis(axis) for axis in axes]
        if len(axes) == 1:
            return {(level,): pick for level, pick in single[0].items()}
        name = tuple(axis.name for axis in axes)
        if name not in self._joint:
            cells = {
                levels: self.cp.NewBoolVar("")
                for levels in itertools.product(*(axis.levels for axis in axes))
            }
            for place, picks in enumerate(single):
                for level, pick in picks.items():
                    slice_ = [c for at, c in cells.items() if at[place] == level]
                    self.cp.Add(sum(slice_) == pick)
            self._joint[name] = cells
        return self._joint[name]


def _layer(node: fx.Node) -> str:
    """The layer whose weight an operator reads, or the operator's own name."""
    if len(node.args) > 1:
        weight = node.args[1]
        if isinstance(weight, fx.Node) and weight.op == "get_attr":
            return str(weight.target).removesuffix(".weight")
    return node.name


def _layers(group: Group) -> int:
    """How many layers write this dimension: what the group's importance is worth."""
    writers = {slot.parameter for slot in group.slots if slot.dim == 0}
    return max(1, len([name for name in writers if name.endswith("weight")]))
