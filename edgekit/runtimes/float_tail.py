"""Operators behind the last layers with weights, which int8 leaves in float where an output holds
values in different units: boxes in pixels beside scores from 0 to 1 leave the scores no step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a file's graph; tensors are by name or number."""

    name: str
    weighted: bool
    takes: tuple[object, ...]
    gives: tuple[object, ...]


def behind_layers(operators: Sequence[Operator]) -> tuple[str, ...]:
    """Names of the operators that no layer with weights comes after, in their order; `operators`
    are in an order of execution."""
    needed: set[object] = set()
    found = []
    for operator in reversed(operators):
        if operator.weighted or not needed.isdisjoint(operator.gives):
            needed.update(operator.takes)
        else:
            found.append(operator.name)
    return tuple(reversed(found))


def apart(parts: Iterable[float]) -> bool:
    """Return whether parts of one tensor, by their largest numbers, are too far apart for the
    steps of one scale: the least would have fewer than 16 of 256."""
    sizes = [size for size in parts if size > 0]
    return len(sizes) > 1 and max(sizes) > 16 * min(sizes)
