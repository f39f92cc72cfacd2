"""From units to groups: which units are interchangeable, and what a group is called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import fx

from edgekit.graph.labels import Axes, Axis, Label, Labels, Reason
from edgekit.graph.propagate import Walk, attribute

LOOSE = Reason(operator="", node="", why="no parameter depends on it")
NUMBERS = Reason(operator="", node="", why="positions and indices, not weights")
UNEVEN = Reason(
    operator="view", node="", why="parts of a product are used unevenly", barrier=True
)


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Units by group, and the parameters' labels in terms of these units."""

    classes: Mapping[str, tuple[int, ...]]
    members: Mapping[int, tuple[str, int]]
    """Unit id -> (group id, number within the group)."""
    parameters: Mapping[str, Axes]


def used_parameters(graph: fx.Graph, state: Walk) -> dict[str, Axes]:
    """Labels of every parameter and buffer in use, in order of first use; tied ones once.

    Those of integers are frozen: the unused end of a table of positions is nothing to prune.
    """
    found: dict[str, Axes] = {}
    seen: set[int] = set()
    for user in graph.nodes:
        for node in user.all_input_nodes if user in state.live else ():
            if node.op == "get_attr" and node in state.axes:
                tensor = attribute(graph.owning_module, str(node.target))
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    found[str(node.target)] = state.of(node)
                    if not (tensor.is_floating_point() or tensor.is_complex()):
                        for axis in state.of(node):
                            state.labels.freeze(axis, NUMBERS)
    return found


def interchangeable(state: Walk, parameters: Mapping[str, Axes]) -> Classes:
    """Units by equal appearance: the classes a planner may cut one unit at a time.

    Units without parameters, and those that would leave a dimension whose size is not a
    polynomial of widths, are frozen first.
    """
    labels = state.labels
    while True:
        resolved = _Resolved(labels, parameters, state)
        loose = resolved.activation_units - resolved.parameter_units.keys()
        for unit in loose:
            labels.freeze_label((unit,), LOOSE)
        classes = _classes(labels, resolved)
        irregular = _irregular(classes, resolved)
        for label in irregular:
            labels.freeze_label(label, UNEVEN)
        if not loose and not irregular:
            return _named(labels, resolved, classes)


class _Resolved:
    """Every labeled dimension once, in roots."""

    def __init__(
        self, labels: Labels, parameters: Mapping[str, Axes], state: Walk
    ) -> None:
        self._labels = labels
        self._axes: dict[int, tuple[Axis, tuple[Label, ...]]] = {}
        self.parameters = {
            name: [self._resolve(axis) for axis in axes]
            for name, axes in parameters.items()
        }
        self.parameter_units = dict.fromkeys(self._units())
        for axes in state.axes.values():
            for axis in _dimensions(axes):
                self._resolve(axis)
        self.activation_units = set(self._units())

    @property
    def axes(self) -> Iterator[tuple[Label, ...]]:
        return (resolved for _, resolved in self._axes.values())

    def _resolve(self, axis: Axis) -> Axis:
        if axis is None:
            return None
        if id(axis) not in self._axes:
            self._axes[id(axis)] = (axis, tuple(map(self._labels.resolve, axis)))
        return self._axes[id(axis)][1]

    def _units(self) -> Iterator[int]:
        return (unit for axis in self.axes for label in axis for unit in label)


def _dimensions(axes: Any) -> Iterator[Axis]:
    for axis in axes:
        if isinstance(axis, list):
            yield from axis
        else:
            yield axis


def _classes(labels: Labels, resolved: _Resolved) -> list[tuple[int, ...]]:
    """Units of one lineage with the same count in every dimension, in order of first use."""
    signature: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, axis in enumerate(resolved.axes):
        counts = Counter(unit for label in axis for unit in label)
        for unit, count in counts.items():
            signature[unit].append((number, count))
    classes: dict[Any, list[int]] = defaultdict(list)
    for unit in resolved.parameter_units:
        key = (labels.lineage(unit), labels.inexact(unit), tuple(signature[unit]))
        classes[key].append(unit)
    return [tuple(units) for units in classes.values() if len(units) > 1]


def _irregular(classes: list[tuple[int, ...]], resolved: _Resolved) -> set[Label]:
    """Labels of products in which some combination of units is missing or more frequent."""
    group_of = {unit: i for i, units in enumerate(classes) for unit in units}
    found: set[Label] = set()
    for axis in resolved.axes:
        combinations: dict[tuple[int, ...], Counter[Label]] = defaultdict(Counter)
        for label in axis:
            if len(label) > 1:
                units = [unit for unit in label if unit in group_of]
                units.sort(key=lambda unit: (group_of[unit], unit))
                key = tuple(group_of[unit] for unit in units)
                combinations[key][tuple(units)] += 1
        for key, counts in combinations.items():
            complete = len(counts) == prod(len(classes[g]) for g in key)
            if len(key) > 1 and (not complete or len(set(counts.values())) > 1):
                found.update(counts)
    return found


def _named(
    labels: Labels, resolved: _Resolved, classes: list[tuple[int, ...]]
) -> Classes:
    """A group is called after the first parameter that has it, numbered where that repeats."""
    creator: dict[int, str] = {}
    for parameter, axes in resolved.parameters.items():
        owner = parameter.rpartition(".")[0] or parameter
        for axis in axes:
            for label in axis or ():
                for unit in label:
                    creator.setdefault(unit, owner)
    named: dict[str, tuple[int, ...]] = {}
    for units in classes:
        name = creator[units[0]]
        if (role := labels.role(units[0])) in ("head", "head_dim", "group"):
            name = f"{name}.{role}"
        unique, count = name, 1
        while unique in named:
            count += 1
            unique = f"{name}.{count}"
        named[unique] = units
    members = {
        unit: (name, number)
        for name, units in named.items()
        for number, unit in enumerate(units)
    }
    return Classes(classes=named, members=members, parameters=resolved.parameters)
