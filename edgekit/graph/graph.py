"""The width graph: dimensions of a network that can shrink, those that must shrink together,
and their units.

`analyze` walks the exported graph once (`propagate.walk`). Units that appear alike in every
parameter and every activation are interchangeable to a planner: they make a `Group`, of which
any non-empty subset may be kept. Each dimension's size is then a polynomial in the groups'
widths, an `Extent`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Literal, cast

from torch import fx

from edgekit.graph.blocks import Block, find_blocks
from edgekit.graph.grouping import Classes, interchangeable, used_parameters
from edgekit.graph.labels import Axes, Axis, Label, Labels, Reason
from edgekit.graph.propagate import Walk, walk
from edgekit.graph.rules import RULES
from edgekit.program.program import Program
from edgekit.types import Barrier

Kind = Literal[
    "channel", "group", "head", "head_dim", "hidden", "embedding", "recurrent"
]


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The size of one dimension: a sum of coefficients times products of group widths.

    A constant 7 is `((7, ()),)`.
    """

    terms: tuple[tuple[int, tuple[str, ...]], ...]
    full: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Every group's width before pruning."""

    def at(self, widths: Mapping[str, int]) -> int:
        """The size where groups have these widths; a group not named is whole."""
        return sum(
            coefficient * prod(widths.get(g, self.full[g]) for g in groups)
            for coefficient, groups in self.terms
        )


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where a group lives in a parameter or buffer.

    `units` gives, for each index of dimension `dim`, the units of the group it needs: usually one,
    `()` for none.
    """

    parameter: str
    dim: int
    units: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Interchangeable units that are cut one at a time; at least one stays.

    `exact` is false where a norm is taken over the dimension: a cut then differs from zeroing.
    """

    id: str
    kind: Kind
    units: int
    exact: bool
    slots: tuple[Slot, ...]


@dataclass(frozen=True, kw_only=True)
class WidthGraph:
    """A program with its groups and blocks; how its dimensions depend on the groups."""

    program: Program
    groups: tuple[Group, ...]
    barriers: tuple[Barrier, ...]
    blocks: tuple[Block, ...]
    _walk: Walk = field(repr=False)
    _members: Mapping[int, tuple[str, int]] = field(repr=False)
    """Unit id -> (group id, number within the group)."""
    _resolved: dict[int, tuple[Axis, tuple[Label, ...]]] = field(
        default_factory=dict, repr=False
    )
    """By identity of the dimension, which is held so that it stays the only one of its id."""
    _distinct: dict[tuple[Label, ...], tuple[Label, ...]] = field(
        default_factory=dict, repr=False
    )
    _extents: dict[int, Extent] = field(default_factory=dict, repr=False)

    def extents(self, node: fx.Node) -> tuple[Extent, ...]:
        """Sizes of a tensor's dimensions, the batch counted as 1."""
        sizes = self._walk.shape(node)
        axes = self._walk.axes.get(node, [None] * len(sizes))
        return tuple(
            self._extent(cast(Axis, axis), size)
            for axis, size in zip(axes, sizes, strict=True)
        )

    def shape(
        self, node: fx.Node, widths: Mapping[str, int] | None = None
    ) -> tuple[int, ...]:
        """A tensor's shape at these widths; a group not named is whole."""
        return tuple(extent.at(widths or {}) for extent in self.extents(node))

    def units(self, label: Label) -> tuple[tuple[str, int], ...]:
        """The (group, unit) pairs that an element needs."""
        roots = self._walk.labels.resolve(label)
        return tuple(self._members[r] for r in roots if r in self._members)

    def needs(self, axis: tuple[Label, ...]) -> tuple[Label, ...]:
        """The unit ids that each element of a dimension needs; see `without`.

        One object for all dimensions that need the same: most of a network's do, so that what is
        found out about one of them is worth keeping.
        """
        if id(axis) not in self._resolved:
            roots = tuple(map(self._walk.labels.resolve, axis))
            self._resolved[id(axis)] = axis, self._distinct.setdefault(roots, roots)
        return self._resolved[id(axis)][1]

    def without(self, kept: Mapping[str, Collection[int]]) -> frozenset[int]:
        """The ids of the units that go where groups keep these."""
        return frozenset(
            unit
            for unit, (group, number) in self._members.items()
            if group in kept and number not in kept[group]
        )

    def axes(self, node: fx.Node) -> Axes:
        """Labels of a tensor's dimensions; see `units`."""
        return self._walk.of(node) if node in self._walk.axes else []

    def output_axes(self, node: fx.Node) -> list[Axes]:
        """Labels of every output of an operator that returns several tensors."""
        return cast(list[Axes], self._walk.axes[node])

    def notes(self, node: fx.Node) -> tuple[Axis, ...]:
        """Labels behind a number an operator takes, such as the groups of a convolution."""
        return self._walk.notes.get(node, ())

    @property
    def live(self) -> set[fx.Node]:
        """The nodes that an output depends on."""
        return self._walk.live

    def contractions(self) -> Sequence[tuple[fx.Node, fx.Node, int]]:
        """(operator, operand, dimension) for every dimension that is summed over."""
        return self._walk.contractions

    def _extent(self, axis: Axis, size: int) -> Extent:
        if axis is None:
            return Extent(terms=((size, ()),))
        needs = self.needs(axis)
        if id(needs) not in self._extents:
            counts = Counter(
                tuple(sorted(self._members[r][0] for r in roots if r in self._members))
                for roots in needs
            )
            terms = tuple(
                (count // prod(self._full[g] for g in groups), groups)
                for groups, count in counts.items()
            )
            self._extents[id(needs)] = Extent(terms=terms, full=self._full)
        return self._extents[id(needs)]

    @cached_property
    def _full(self) -> Mapping[str, int]:
        return {group.id: group.units for group in self.groups}


def analyze(program: Program) -> WidthGraph:
    """Find every dimension that can shrink and what shrinks with it."""
    state = walk(program.module.graph, RULES)
    parameters = used_parameters(program.module.graph, state)
    found = interchangeable(state, parameters)
    slots = _slots(found)
    groups = tuple(
        Group(
            id=name,
            kind=cast(Kind, state.labels.role(units[0]) or "hidden"),
            units=len(units),
            exact=not state.labels.inexact(units[0]),
            slots=tuple(slots[name]),
        )
        for name, units in found.classes.items()
    )
    return WidthGraph(
        program=program,
        groups=groups,
        barriers=_barriers(program, state.labels, parameters),
        blocks=find_blocks(program.module.graph, state.live),
        _walk=state,
        _members=found.members,
    )


def _slots(found: Classes) -> dict[str, list[Slot]]:
    slots: dict[str, list[Slot]] = defaultdict(list)
    for name, axes in found.parameters.items():
        for dim, axis in enumerate(axes):
            rows: dict[str, list[tuple[int, ...]]] = {}
            for index, label in enumerate(axis or ()):
                for unit in label:
                    if unit in found.members:
                        group, number = found.members[unit]
                        row = rows.setdefault(group, [])
                        row.extend([()] * (index + 1 - len(row)))
                        row[index] += (number,)
            for group, row in rows.items():
                row.extend([()] * (len(axis or ()) - len(row)))
                slot = Slot(parameter=name, dim=dim, units=tuple(row))
                slots[group].append(slot)
    return slots


def _barriers(
    program: Program, labels: Labels, parameters: Mapping[str, Axes]
) -> tuple[Barrier, ...]:
    """The operators that froze what a parameter would otherwise have to give."""
    trained = {n for n, _ in program.module.named_parameters(remove_duplicate=False)}
    found: dict[Reason, dict[str, None]] = {}
    for name, axes in parameters.items():
        for axis in axes if name in trained else ():
            for label in axis or ():
                for reason in labels.reasons(label):
                    if reason.barrier:
                        found.setdefault(reason, {})[name] = None
    return tuple(
        Barrier(operator=r.operator, node=r.node, why=r.why, parameters=tuple(names))
        for r, names in found.items()
    )
