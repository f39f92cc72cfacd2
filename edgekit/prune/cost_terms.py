"""Parts of a network as cost tables over the widths that each part depends on.

An operator's cost depends on the widths of the groups that meet at it. Where these are one or
two, or offer few combinations, the table is over the groups themselves. Where many meet, as
after a concatenation, it is over the sums of widths that the operator's shape takes: over every
sum that can be reached, which is exact, or, where these are too many, over some of them, each
sum then counted as the next larger one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from torch import fx

from edgekit.cost.operator_shape import describe, groups_at, groups_of, parameter_nodes
from edgekit.graph.graph import WidthGraph
from edgekit.types.operator_shape import OperatorShape

Widths = Mapping[str, int]
Options = Mapping[str, tuple[int, ...]]
T = TypeVar("T", OperatorShape, tuple[int, ...])

# More combinations of widths than this are looked at through their sums.
_CELLS = 128
# More sums than this are thinned out, which makes the cost an upper bound.
_SUMS = 48
_THINNED = 16
_NUMBERS = tuple(field.name for field in fields(OperatorShape))


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A quantity with a few levels: the width of one group, or a sum of several.

    The quantity is `base + sum(slope * width)`; where it is not `exact` it counts as the lowest
    level that is not below it.
    """

    name: str
    levels: tuple[int, ...]
    group: str | None = None
    base: int = 0
    slopes: tuple[tuple[str, int], ...] = ()
    exact: bool = True

    def level(self, widths: Widths) -> int:
        """The level that these widths count as."""
        if self.group is not None:
            return widths[self.group]
        quantity = self.base + sum(slope * widths[name] for name, slope in self.slopes)
        return next(level for level in self.levels if level >= quantity)


@dataclass(frozen=True, kw_only=True)
class Term(Generic[T]):
    """One operator or tensor at each combination of its axes' levels.

    It is gone where any of `blocks` is dropped. An inexact term is never too small where cost
    grows with width.
    """

    axes: tuple[Axis, ...]
    cells: Mapping[tuple[int, ...], T]
    blocks: tuple[str, ...] = ()
    exact: bool = True

    def at(self, widths: Widths) -> tuple[int, ...]:
        """The levels that these widths, which are on offer, count as."""
        return tuple(axis.level(widths) for axis in self.axes)

    def values(self, value: Callable[[T], float]) -> dict[tuple[int, ...], float]:
        """The value of every cell; along a thinned axis never less than at a lower level."""
        found = {levels: value(cell) for levels, cell in self.cells.items()}
        shape = [len(axis.levels) for axis in self.axes]
        if all(axis.exact for axis in self.axes):
            return found
        grid = np.array(list(found.values()), dtype=float).reshape(shape)
        for place, axis in enumerate(self.axes):
            if not axis.exact:
                grid = np.maximum.accumulate(grid, axis=place)
        return dict(zip(found, grid.ravel().tolist(), strict=True))


def operator_terms(graph: WidthGraph, options: Options) -> list[Term[OperatorShape]]:
    """Every operator that costs something, in order of execution."""
    inside = blocks_of_nodes(graph)
    terms = []
    for node in graph.program.module.graph.nodes:
        if describe(graph, node) is not None:
            read = partial(_operator, graph, node)
            term = _operator_term(groups_at(graph, node), options, read)
            terms.append(replace(term, blocks=inside.get(node, ())))
    return terms


def parameter_terms(graph: WidthGraph, options: Options) -> list[Term[tuple[int, ...]]]:
    """The shape of every parameter in use."""
    inside = _blocks_of_parameters(graph)
    return [
        replace(tensor_term(graph, node, options), blocks=inside[node])
        for node in parameter_nodes(graph)
    ]


def tensor_term(
    graph: WidthGraph, node: fx.Node, options: Options
) -> Term[tuple[int, ...]]:
    """The shape of the tensor that a node makes, batch size 1."""
    groups = groups_of(graph, node)
    read = partial(graph.shape, node)
    if _countable(groups, options):
        return _over_groups(groups, options, read)
    columns = _columns(groups, options, lambda widths: read(widths))
    return _over_sums(columns, read({}), _with_sizes)


def blocks_of_nodes(graph: WidthGraph) -> dict[fx.Node, tuple[str, ...]]:
    """The residual blocks whose dropping removes a node; their additions are removed too."""
    nodes = {node.name: node for node in graph.program.module.graph.nodes}
    found: dict[fx.Node, tuple[str, ...]] = {}
    for block in graph.blocks:
        for name in (*block.nodes, block.addition):
            found[nodes[name]] = (*found.get(nodes[name], ()), block.id)
    return found


def _blocks_of_parameters(graph: WidthGraph) -> dict[fx.Node, tuple[str, ...]]:
    """A parameter that is read in several places goes where all of them go."""
    module, inside = graph.program.module, blocks_of_nodes(graph)
    ids = {n: id(p) for n, p in module.named_parameters(remove_duplicate=False)}
    found = {}
    for node in parameter_nodes(graph):
        consumers = [
            inside.get(other, ())
            for other in module.graph.find_nodes(op="get_attr")
            if ids.get(str(other.target)) == ids[str(node.target)]
            and other in graph.live
        ]
        found[node] = tuple(
            name for name in consumers[0] if all(name in blocks for blocks in consumers)
        )
    return found


def _operator(graph: WidthGraph, node: fx.Node, widths: Widths) -> OperatorShape:
    operator = describe(graph, node, widths)
    if operator is None:
        raise ValueError(f"{node.name} costs something at other widths alone.")
    return operator


def _operator_term(
    groups: Sequence[str], options: Options, read: Callable[[Widths], OperatorShape]
) -> Term[OperatorShape]:
    if _countable(groups, options):
        return _over_groups(groups, options, read)

    def numbers(widths: Widths) -> tuple[Any, ...]:
        return tuple(getattr(read(widths), name) for name in _NUMBERS)

    return _over_sums(_columns(groups, options, numbers), read({}), _with_numbers)


def _countable(groups: Sequence[str], options: Options) -> bool:
    """Return whether a table over the groups themselves is small enough."""
    cells = math.prod(len(options[name]) for name in groups)
    return len(groups) <= 2 or cells <= _CELLS


def _over_groups(
    groups: Sequence[str], options: Options, read: Callable[[Widths], T]
) -> Term[T]:
    axes = tuple(Axis(name=n, levels=options[n], group=n) for n in groups)
    cells = {
        levels: read(dict(zip(groups, levels, strict=True)))
        for levels in itertools.product(*(axis.levels for axis in axes))
    }
    return Term(axes=axes, cells=cells)


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A number of a shape that widths move: where it stands, and how, if as a sum."""

    place: int
    axis: Axis | None


def _columns(
    groups: Sequence[str], options: Options, read: Callable[[Widths], tuple[Any, ...]]
) -> list[_Column]:
    """The numbers of a shape that move with the groups."""
    full = {name: options[name][-1] for name in groups}
    least = {name: options[name][0] for name in groups}
    whole, bottom = read(full), read(least)
    alone = {name: read({**full, name: least[name]}) for name in groups}
    found = []
    for place, value in enumerate(whole):
        if bottom[place] == value:
            continue
        if not isinstance(value, int):
            found.append(_Column(place=place, axis=None))
            continue
        slopes = tuple(
            (name, (value - alone[name][place]) // span)
            for name in groups
            if (span := full[name] - least[name])
        )
        slopes = tuple((name, slope) for name, slope in slopes if slope)
        base = value - sum(slope * full[name] for name, slope in slopes)
        is_sum = base + sum(s * least[n] for n, s in slopes) == bottom[place]
        axis = _sum_axis(base, slopes, options) if is_sum else None
        found.append(_Column(place=place, axis=axis))
    return found


def _sum_axis(base: int, slopes: tuple[tuple[str, int], ...], options: Options) -> Axis:
    name = "+".join(f"{slope}*{group}" for group, slope in slopes) + f"+{base}"
    reached = {base}
    for group, slope in slopes:
        reached = {total + slope * w for total in reached for w in options[group]}
    levels = sorted(reached)
    exact = len(levels) <= _SUMS
    if not exact:
        # From the top: the largest sum, and with it the whole network, stays exact.
        places = np.linspace(0, len(levels) - 1, _THINNED).round().astype(int)
        levels = [levels[place] for place in places]
    return Axis(name=name, levels=tuple(levels), base=base, slopes=slopes, exact=exact)


def _over_sums(
    columns: Sequence[_Column],
    whole: T,
    with_values: Callable[[T, Mapping[int, int]], T],
) -> Term[T]:
    """A table over sums; a number that is not a sum is held at its full value."""
    axes: dict[str, Axis] = {}
    for column in columns:
        if column.axis is not None:
            axes.setdefault(column.axis.name, column.axis)
    order = list(axes)
    cells = {}
    for levels in itertools.product(*(axis.levels for axis in axes.values())):
        values = {
            column.place: levels[order.index(column.axis.name)]
            for column in columns
            if column.axis is not None
        }
        cells[levels] = with_values(whole, values)
    return Term(
        axes=tuple(axes.values()),
        cells=cells,
        exact=all(c.axis is not None and c.axis.exact for c in columns),
    )


def _with_numbers(operator: OperatorShape, values: Mapping[int, int]) -> OperatorShape:
    numbers: dict[str, Any] = {_NUMBERS[place]: v for place, v in values.items()}
    found = replace(operator, **numbers)
    if found.kind == "pad" and found.outputs < found.inputs:
        # No widths lead to this pair of sums, and no runtime has padding that takes away.
        return replace(found, outputs=found.inputs)
    return found


def _with_sizes(shape: tuple[int, ...], values: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(values.get(place, size) for place, size in enumerate(shape))
