"""A tensor in the order of the file or with its channels first: what layers take and return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

_SPATIAL = 3
"""Dimensions from which on there is an order to choose: (batch, steps, channels)."""


@dataclass(frozen=True)
class Value:
    """`data` as the file has it, or, where `first`, with its last dimension moved behind the batch.

    Convolutions compute with channels first. Later layers keep that order until one needs the
    file's own, so that no transposition stands in the network without need.
    """

    data: Tensor
    first: bool = False

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return self.data.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """In the file's order."""
        sizes = tuple(self.data.shape)
        return (sizes[0], *sizes[2:], sizes[1]) if self.first else sizes

    def last(self) -> Tensor:
        """In the file's order."""
        return self.data.movedim(1, -1) if self.first else self.data

    def channels_first(self) -> Tensor:
        """With the file's last dimension behind the batch."""
        if self.first or self.rank < _SPATIAL:
            return self.data
        return self.data.movedim(-1, 1)

    def axis(self, number: int) -> int:
        """Where the file's dimension `number` is in `data`."""
        number = number % self.rank
        if not self.first or number == 0:
            return number
        return 1 if number == self.rank - 1 else number + 1

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Value:
        """`function` of each element; it keeps the shape."""
        return Value(function(self.data), self.first)


def ordered(data: Tensor) -> Value:
    """A tensor whose channels are behind the batch."""
    return Value(data, data.ndim >= _SPATIAL)


def agreed(values: Sequence[Value]) -> tuple[list[Tensor], bool]:
    """The tensors of values of one rank in one order, and whether channels are first in it."""
    first = any(value.first for value in values)
    same = len({value.rank for value in values}) == 1
    if first and same:
        return [value.channels_first() for value in values], True
    return [value.last() for value in values], False
