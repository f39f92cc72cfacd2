"""The batch of a file: where it is free already, and how a fixed one is freed.

Exporters that trace with one sample write its batch of 1 into the shapes of Reshape, Expand and
their like. While the graph is traced, a size that grows with the batch is a `SymInt`; the rules
here put it in the place of the number that the file has there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import SymInt, Tensor


class Batch:
    """The size of the batch during a walk, and the number that the file has in its place."""

    def __init__(self, size: Any, held: int) -> None:
        self.size = size
        self.held = held

    @property
    def free(self) -> bool:
        """Return whether the batch size is free."""
        return isinstance(self.size, SymInt)

    def at_held(self, size: Any) -> int:
        """A size as the file has it."""
        if not isinstance(size, SymInt):
            return int(size)
        expression = size.node.expr
        symbol = self.size.node.expr
        return int(expression.subs({symbol: self.held}))

    def reshaped(self, given: Sequence[Any], target: Sequence[Any]) -> list[Any]:
        """The shape that a tensor of shape `given` is to take, where `target` is the file's.

        Where the batch lies `outer` elements into the shape, the target's dimension that starts
        there is the batch, or grows with it.
        """
        target = list(target)
        grows = [n for n, size in enumerate(given) if isinstance(size, SymInt)]
        if not self.free or not grows or any(isinstance(t, SymInt) for t in target):
            return target
        total = math.prod(self.at_held(size) for size in given)
        rest = math.prod(size for size in target if size != -1)
        if -1 in target and rest:
            target[target.index(-1)] = total // rest
        place = grows[0]
        outer, whole = math.prod(given[:place]), self.at_held(given[place])
        alone = self._alone(outer, whole // self.held, target)
        if alone is not None:
            target[alone] = self.size
            return target
        rest, merged = list(given[place + 1 :]), _after(outer, target)
        follows = target[merged:]
        joined = math.prod(follows) == math.prod(rest) and len(follows) <= len(rest)
        if merged and joined:
            merged -= (
                1  # what follows the batch stays apart: it joins what comes before
            )
        size = target[merged]
        alike = size == whole
        target[merged] = (
            given[place] if alike else _times(size, given[place], whole, self)
        )
        return target

    def _alone(self, outer: int, inner: int, target: Sequence[int]) -> int | None:
        """The dimension of `target` that is the batch and nothing else, if there is one.

        The batch lies after `outer` elements, or after a part of the `inner` ones that it shares a
        dimension with.
        """
        before = 1
        for number, size in enumerate(target):
            within = before % outer == 0 and inner % max(before // outer, 1) == 0
            if size == self.held and before >= outer and within:
                return number
            before *= size
        return None

    def expanded(self, given: Sequence[Any], target: Sequence[Any]) -> list[Any]:
        """As `reshaped`, for Expand: the batch stays where the file has its number."""
        target = list(target)
        shift = len(target) - len(given)
        for number, size in enumerate(target):
            own = given[number - shift] if number >= shift else 1
            if isinstance(own, SymInt) and size == self.at_held(own):
                target[number] = own
        return target

    def joined(self, tensors: Sequence[Tensor], axis: int) -> list[Tensor]:
        """Tensors to be concatenated, those that hold the file's batch repeated for each sample."""
        shapes = [list(tensor.shape) for tensor in tensors]
        if not self.free:
            return list(tensors)
        for place in range(len(shapes[0])):
            grown = [s[place] for s in shapes if isinstance(s[place], SymInt)]
            if place != axis % len(shapes[0]) and grown:
                tensors = [self.repeated(t, place, grown[0]) for t in tensors]
        return list(tensors)

    def repeated(self, tensor: Tensor, place: int, size: Any) -> Tensor:
        """`tensor` with `size` samples at `place`, where it has the file's."""
        if not self.free or isinstance(tensor.shape[place], SymInt):
            return tensor
        if int(tensor.shape[place]) != self.at_held(size):
            return tensor
        shape = list(tensor.shape)
        shape[place] = size
        return tensor.narrow(place, 0, 1).expand(shape)


def _after(outer: int, target: Sequence[int]) -> int:
    """The dimension of `target` that begins after `outer` elements, or holds what does."""
    before, found = 1, 0
    for number, size in enumerate(target):
        if before <= outer:
            found = number
        before *= size
    return found


def _times(size: int, factor: Any, whole: int, batch: Batch) -> Any:
    """`size`, which holds the batch as a factor, for any batch."""
    if whole and size % whole == 0:
        return size // whole * factor
    return size // batch.held * batch.size if size % batch.held == 0 else size
