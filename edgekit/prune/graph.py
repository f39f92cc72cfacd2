"""Which dimensions of a network can shrink, which must shrink together, and in what units.

`analyse` walks the exported graph once (`propagate.walk`). Units that appear alike in every
parameter and every activation are interchangeable to a planner: they make a `Group`, of which
any non-empty subset may be kept. Each dimension's size is then a polynomial in the groups'
widths, an `Extent`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal, cast

import torch
from torch import fx

from edgekit.prune.labels import Axes, Axis, Label, Labels, Reason
from edgekit.prune.operators import RULES
from edgekit.prune.propagate import Walk, attribute, walk
from edgekit.source.program import Program

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
class Barrier:
    """An operator that keeps what it touches whole."""

    operator: str
    node: str
    why: str


@dataclass(frozen=True, kw_only=True)
class WidthGraph:
    """A program with its groups; how its dimensions depend on them."""

    program: Program
    groups: tuple[Group, ...]
    barriers: tuple[Barrier, ...]
    _walk: Walk = field(repr=False)
    _members: Mapping[int, tuple[str, int]] = field(repr=False)
    """Unit id -> (group id, number within the group)."""
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
        if id(axis) not in self._extents:
            full = {group.id: group.units for group in self.groups}
            counts = Counter(
                tuple(sorted(group for group, _ in self.units(label))) for label in axis
            )
            terms = tuple(
                (count // prod(full[g] for g in groups), groups)
                for groups, count in counts.items()
            )
            self._extents[id(axis)] = Extent(terms=terms, full=full)
        return self._extents[id(axis)]


def analyse(program: Program) -> WidthGraph:
    """Find every dimension that can shrink and what shrinks with it."""
    state = walk(program.module.graph, RULES)
    parameters = _parameters(program.module.graph, state)
    classes = _interchangeable(state, parameters)
    names = _names(state.labels, parameters, classes)
    members = {
        unit: (name, number)
        for name, units in zip(names, classes, strict=True)
        for number, unit in enumerate(units)
    }
    slots = _slots(state.labels, parameters, members)
    groups = tuple(
        Group(
            id=name,
            kind=_kind(state.labels, units),
            units=len(units),
            exact=not state.labels.inexact(units[0]),
            slots=tuple(slots[name]),
        )
        for name, units in zip(names, classes, strict=True)
    )
    return WidthGraph(
        program=program,
        groups=groups,
        barriers=_barriers(state.labels, parameters),
        _walk=state,
        _members=members,
    )


def _parameters(graph: fx.Graph, state: Walk) -> dict[str, Axes]:
    """Labels of every parameter and buffer in use, in order of first use; tied ones once."""
    found: dict[str, Axes] = {}
    seen: set[int] = set()
    for user in graph.nodes:
        for node in user.all_input_nodes:
            if (
                node.op != "get_attr"
                or node not in state.axes
                or user not in state.axes
            ):
                continue
            tensor = attribute(graph.owning_module, str(node.target))
            if id(tensor) not in seen:
                seen.add(id(tensor))
                found[str(node.target)] = state.of(node)
    return found


def _interchangeable(state: Walk, parameters: Mapping[str, Axes]) -> list[list[int]]:
    """Units by equal appearance: the classes a planner may cut one unit at a time.

    Units that no parameter has, and those that would leave a dimension whose size is no polynomial
    of widths, are frozen first.
    """
    labels = state.labels
    order = dict.fromkeys(
        unit
        for axes in parameters.values()
        for axis in axes
        for label in axis or ()
        for unit in labels.resolve(label)
    )
    everything = _distinct(parameters, state)
    loose = Reason(operator="", node="", why="no parameter depends on it")
    for axis in everything:
        for label in axis:
            for unit in labels.resolve(label):
                if unit not in order:
                    labels.freeze_label((unit,), loose)
    while True:
        classes = _classes(labels, order, everything)
        irregular = _irregular(labels, classes, everything)
        if not irregular:
            return classes
        for label in irregular:
            labels.freeze_label(
                label,
                Reason(
                    operator="view",
                    node="",
                    why="parts of a product are used unevenly",
                    barrier=True,
                ),
            )


def _distinct(parameters: Mapping[str, Axes], state: Walk) -> list[tuple[Label, ...]]:
    """Every labelled dimension of parameters and activations, each once."""
    found: dict[int, tuple[Label, ...]] = {}
    activations = (_tensors(axes) for axes in state.axes.values())
    for axes in (
        *parameters.values(),
        *(a for several in activations for a in several),
    ):
        found.update((id(axis), axis) for axis in axes if axis is not None)
    return list(found.values())


def _tensors(axes: Any) -> Iterator[Axes]:
    if axes and all(isinstance(axis, list) for axis in axes):
        yield from axes
    else:
        yield axes


def _classes(
    labels: Labels, order: Iterable[int], everything: Sequence[tuple[Label, ...]]
) -> list[list[int]]:
    """Units of one lineage with the same count in every dimension, in order of first use."""
    signature: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, axis in enumerate(everything):
        counts = Counter(unit for label in axis for unit in labels.resolve(label))
        for unit, count in counts.items():
            signature[unit].append((number, count))
    classes: dict[Any, list[int]] = defaultdict(list)
    for unit in order:
        if labels.resolve((unit,)):
            key = (labels.lineage(unit), labels.inexact(unit), tuple(signature[unit]))
            classes[key].append(unit)
    return [units for units in classes.values() if len(units) > 1]


def _irregular(
    labels: Labels, classes: list[list[int]], everything: Sequence[tuple[Label, ...]]
) -> set[Label]:
    """Labels of products in which some combination of units is missing or more frequent."""
    group_of = {unit: i for i, units in enumerate(classes) for unit in units}
    found: set[Label] = set()
    for axis in everything:
        combinations: dict[tuple[int, ...], Counter[Label]] = defaultdict(Counter)
        for label in axis:
            units = [u for u in labels.resolve(label) if u in group_of]
            if len(units) > 1:
                units.sort(key=lambda unit: (group_of[unit], unit))
                key = tuple(group_of[unit] for unit in units)
                combinations[key][tuple(units)] += 1
        for key, counts in combinations.items():
            complete = len(counts) == prod(len(classes[g]) for g in key)
            if not complete or len(set(counts.values())) > 1:
                found.update(counts)
    return found


def _names(
    labels: Labels, parameters: Mapping[str, Axes], classes: list[list[int]]
) -> list[str]:
    """A group is called after the first parameter that has it, numbered where that repeats."""
    creator: dict[int, str] = {}
    for name, axes in parameters.items():
        owner = name.rpartition(".")[0] or name
        for axis in axes:
            for label in axis or ():
                for unit in labels.resolve(label):
                    creator.setdefault(unit, owner)
    names: dict[str, None] = {}
    for units in classes:
        name = creator[units[0]]
        if (kind := _kind(labels, units)) in ("head", "head_dim", "group"):
            name = f"{name}.{kind}"
        unique, count = name, 1
        while unique in names:
            count += 1
            unique = f"{name}.{count}"
        names[unique] = None
    return list(names)


def _kind(labels: Labels, units: Sequence[int]) -> Kind:
    return cast(Kind, labels.role(units[0]) or "hidden")


def _slots(
    labels: Labels,
    parameters: Mapping[str, Axes],
    members: Mapping[int, tuple[str, int]],
) -> dict[str, list[Slot]]:
    slots: dict[str, list[Slot]] = defaultdict(list)
    for name, axes in parameters.items():
        for dim, axis in enumerate(axes):
            found: dict[str, dict[int, list[int]]] = defaultdict(
                lambda: defaultdict(list)
            )
            for index, label in enumerate(axis or ()):
                for unit in labels.resolve(label):
                    if unit in members:
                        group, number = members[unit]
                        found[group][index].append(number)
            for group, places in found.items():
                units = tuple(tuple(places.get(i, ())) for i in range(len(axis or ())))
                slots[group].append(Slot(parameter=name, dim=dim, units=units))
    return slots


def _barriers(labels: Labels, parameters: Mapping[str, Axes]) -> tuple[Barrier, ...]:
    """The operators that froze what a parameter would otherwise have to give."""
    found = dict.fromkeys(
        reason
        for axes in parameters.values()
        for axis in axes
        for label in axis or ()
        for reason in labels.reasons(label)
        if reason.barrier
    )
    return tuple(Barrier(operator=r.operator, node=r.node, why=r.why) for r in found)


def parameter_tensor(program: Program, name: str) -> torch.Tensor:
    return cast(torch.Tensor, attribute(program.module, name))
