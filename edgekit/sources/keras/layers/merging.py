"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value, agreed
from edgekit.sources.keras.layers.registry import Function, Layer, builds

_PAIRWISE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Multiply": torch.mul,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Subtract": torch.sub,
    "Average": torch.add,
}


@builds(*_PAIRWISE)
def pairwise(layer: Layer) -> nn.Module:
    """Build the module of Keras's `pairwise` operators."""
    kind = layer.kind

    def function(values: Sequence[Value]) -> Value:
        tensors, first = agreed(_of_one_rank(values))
        found = reduce(_PAIRWISE[kind], tensors)
        return Value(found / len(tensors) if kind == "Average" else found, first)

    return Function(function)


def _of_one_rank(values: Sequence[Value]) -> list[Value]:
    """With dimensions of one behind the batch, as Keras's merging layers broadcast."""
    rank = max(value.rank for value in values)
    if all(value.rank == rank for value in values):
        return list(values)
    found = []
    for value in values:
        tensor = value.last()
        while tensor.ndim < rank:
            tensor = tensor.unsqueeze(1)
        found.append(Value(tensor))
    return found


@builds("Concatenate")
def concatenate(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Concatenate`."""
    axis = int(layer.get("axis", -1))

    def function(values: Sequence[Value]) -> Value:
        tensors, first = agreed(values)
        return Value(torch.cat(tensors, Value(tensors[0], first).axis(axis)), first)

    return Function(function)


@builds("Dot")
def dot(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Dot`."""
    axes = layer.get("axes", -1)
    normalize = bool(layer.get("normalize", False))

    def function(values: Sequence[Value]) -> Value:
        first, second = (value.last() for value in values)
        pair = axes if isinstance(axes, list) else [axes, axes]
        if isinstance(pair[0], list):
            raise ValueError("Dot over several axes is not supported")
        one, other = pair[0] % first.ndim, pair[1] % second.ndim
        if normalize:
            first, second = _unit(first, one), _unit(second, other)
        left, right = first.movedim(one, -1), second.movedim(other, 1)
        left_sizes, right_sizes = left.shape[1:-1], right.shape[2:]
        width, batch = left.shape[-1], left.shape[0]
        found = left.reshape(batch, -1, width) @ right.reshape(batch, width, -1)
        sizes = (*left_sizes, *right_sizes) or (1,)
        return Value(found.reshape(batch, *sizes))

    return Function(function)


def _unit(x: Tensor, axis: int) -> Tensor:
    return F.normalize(x, dim=axis, eps=1e-6)
