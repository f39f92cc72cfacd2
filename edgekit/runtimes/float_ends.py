"""Operators that int8 leaves in float for their range of values, by their place in a file.

Behind the last layers with weights, where an output holds values in different units: boxes in
pixels beside scores from 0 to 1 leave the scores no step. Up to the logarithm of an audio front
end: powers of bands differ by factors of which 256 steps have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.types import QuantConfig


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a file's graph; tensors are by name or number."""

    name: str
    kind: str
    """As the file's format calls it."""
    weighted: bool
    takes: tuple[object, ...]
    gives: tuple[object, ...]


def in_float(
    operators: Iterable[Operator], quant_config: QuantConfig
) -> tuple[str, ...]:
    """Names of the operators that a configuration leaves in float by their place."""
    if not (quant_config.float_front or quant_config.float_tail):
        return ()
    listed = list(operators)
    front = ahead_of_logarithm(listed) if quant_config.float_front else ()
    tail = behind_layers(listed) if quant_config.float_tail else ()
    return (*front, *(name for name in tail if name not in front))


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


def ahead_of_logarithm(operators: Sequence[Operator]) -> tuple[str, ...]:
    """Names of the first logarithm and of the operators that lead to it, in their order; none where
    there is no logarithm. `operators` are in an order of execution."""
    last = next((n for n, each in enumerate(operators) if _logarithm(each)), -1)
    needed: set[object] = set()
    found: list[str] = []
    for operator in reversed(operators[: last + 1]):
        if not found or not needed.isdisjoint(operator.gives):
            needed.update(operator.takes)
            found.append(operator.name)
    return tuple(reversed(found))


def _logarithm(operator: Operator) -> bool:
    return operator.kind.lower().partition(".")[0] == "log"


def apart(parts: Iterable[float]) -> bool:
    """Return whether parts of one tensor, by their largest numbers, are too far apart for the
    steps of one scale: the least would have fewer than 16 of 256."""
    sizes = [size for size in parts if size > 0]
    return len(sizes) > 1 and max(sizes) > 16 * min(sizes)
