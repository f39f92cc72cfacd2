"""Operators of a static int8 file that are better left in float, by what each costs in either form
and what the conversions between the two cost.

Each operator is in float or in int8, and a tensor that one form writes and the other reads is
converted once. The cheapest choice is a minimum cut (Picard and Ratliff, 1975,
doi:10.1002/net.3230050405), whose linear program has whole numbers for its solution; HiGHS solves
it in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import scipy  # its parts are loaded where they are used: an unchanged build needs none

from edgekit.types import SlowInInt8

Tensor = int | str
_CALL = 0.25
"""Fraction of an empty call that one operator more inside of a file takes."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operator of a file in both forms, with those that the runtime runs as a part of it.
    Tensors are of float in the fp32 file."""

    names: tuple[str, ...]
    """As `QuantConfig.float_operators` takes them."""
    kind: str
    takes: tuple[Tensor, ...]
    gives: tuple[Tensor, ...]
    in_float: Path
    """The operator as a file of its own; equal operators have one file."""
    in_int8: Path | None
    """`None` where the runtime's library has no int8 form of it."""


@dataclass(frozen=True, kw_only=True)
class Conversions:
    """Files that convert as many values as their key, to int8 and back."""

    to_int8: Mapping[int, Path]
    to_float: Mapping[int, Path]


@dataclass(frozen=True, kw_only=True)
class Material:
    """A network's operators in both forms, to be timed."""

    steps: tuple[Step, ...]
    sizes: Mapping[Tensor, int]
    """Values of each tensor of float."""
    ends: frozenset[Tensor]
    """The network's inputs and outputs, which stay in float."""
    conversions: Conversions

    def files(self) -> list[Path]:
        """Every file to time, once."""
        both = [file for step in self.steps for file in (step.in_float, step.in_int8)]
        more = self.conversions
        ends = (*more.to_int8.values(), *more.to_float.values())
        return list(dict.fromkeys([*filter(None, both), *ends]))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The operators in float, by name."""

    in_float: tuple[str, ...]
    slow: tuple[SlowInInt8, ...]
    """Of the operators left in float those that take longer in int8, the worst first."""


def choose(
    material: Material,
    times: Mapping[Path, float],
    damage: Mapping[str, float] = MappingProxyType({}),
) -> Choice:
    """The cheapest choice by the microseconds `times` of `material.files()`.

    `damage` are microseconds, by an operator's name, that its int8 form costs besides.
    """
    steps = material.steps
    floats = [times[step.in_float] for step in steps]
    ints = [
        None
        if step.in_int8 is None
        else times[step.in_int8] + sum(damage.get(name, 0.0) for name in step.names)
        for step in steps
    ]
    costs = {
        tensor: (
            _of_size(material.conversions.to_int8, times, size),
            _of_size(material.conversions.to_float, times, size),
        )
        for tensor, size in material.sizes.items()
    }
    picked = _cut(material, floats, ints, costs)
    longer: dict[str, list[float]] = {}
    for number in picked:
        other = ints[number]
        if other is not None and other > floats[number]:
            longer.setdefault(steps[number].kind, []).append(other - floats[number])
    slow = [
        SlowInInt8(kind=kind, count=len(each), us=sum(each))
        for kind, each in longer.items()
    ]
    return Choice(
        in_float=tuple(name for number in picked for name in steps[number].names),
        slow=tuple(sorted(slow, key=lambda one: one.us or 0.0, reverse=True)),
    )


def _of_size(
    files: Mapping[int, Path], times: Mapping[Path, float], size: int
) -> float:
    """By the values: the smallest file's time is that of being called at all."""
    small, large = min(files), max(files)
    least = times[files[small]]
    each = (times[files[large]] - least) / (large - small)
    return _CALL * least + max(each, 0.0) * size


def _cut(
    material: Material,
    floats: Sequence[float],
    ints: Sequence[float | None],
    costs: Mapping[Tensor, tuple[float, float]],
) -> list[int]:
    """Numbers of the steps in float.

    A variable a step is 1 where it is in float; two a tensor are 1 where it is converted.
    """
    count = len(material.steps)
    places = {tensor: count + 2 * n for n, tensor in enumerate(material.sizes)}
    weights = np.zeros(count + 2 * len(places))
    for number, (one, other) in enumerate(zip(floats, ints, strict=True)):
        weights[number] = 0.0 if other is None else one - other
    for tensor, place in places.items():
        weights[place : place + 2] = costs[tensor]
    rows, least = _constraints(material, places)
    lower = [float(other is None) for other in ints] + [0.0] * (2 * len(places))
    found = scipy.optimize.linprog(
        weights,
        A_ub=_matrix(rows, len(weights), -1.0),
        b_ub=np.negative(least),
        bounds=np.stack([lower, np.ones(len(weights))], axis=1),
        method="highs-ds",
    )
    return [number for number in range(count) if found.x[number] > 0.5]


def _constraints(
    material: Material, places: Mapping[Tensor, int]
) -> tuple[list[dict[int, float]], list[float]]:
    """Sums of variables, and the least that each may be: a tensor is converted where one form
    writes it and the other reads it."""
    makers = {t: n for n, step in enumerate(material.steps) for t in step.gives}
    rows: list[dict[int, float]] = []
    least: list[float] = []
    for number, step in enumerate(material.steps):
        for tensor in step.takes:
            maker = makers.get(tensor)
            if tensor not in places:
                continue
            if maker is None:  # an input of the network is in float
                rows.append({places[tensor]: 1.0, number: 1.0})
                least.append(1.0)
                continue
            rows.append({places[tensor]: 1.0, number: 1.0, maker: -1.0})
            rows.append({places[tensor] + 1: 1.0, number: -1.0, maker: 1.0})
            least += [0.0, 0.0]
    for tensor in material.ends & places.keys() & makers.keys():
        rows.append({places[tensor] + 1: 1.0, makers[tensor]: 1.0})
        least.append(1.0)
    return rows, least


def _matrix(
    rows: Sequence[Mapping[int, float]], width: int, sign: float
) -> scipy.sparse.coo_array:
    entries = [(n, v, each) for n, row in enumerate(rows) for v, each in row.items()]
    numbers, variables = ([entry[end] for entry in entries] for end in (0, 1))
    values = [sign * entry[2] for entry in entries]
    return scipy.sparse.coo_array(
        (values, (numbers, variables)), shape=(len(rows), width)
    )
