"""Layers that normalize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.registry import Function, Layer, builds, weight

_TINY = 1e-12


class BatchNormalization(nn.BatchNorm1d):
    """torch's own batch norm, with the file's momentum and epsilon, along the file's axis."""

    def __init__(self, layer: Layer) -> None:
        axis = layer.get("axis", -1)
        center, scale = bool(layer.get("center", True)), bool(layer.get("scale", True))
        tensors = [layer.tensor(n) for n in range(center + scale + 2)]
        channels = len(tensors[-1])
        for tensor in tensors:
            if tuple(tensor.shape) != (channels,):
                raise ValueError(
                    f"its weights have {channels} and {tuple(tensor.shape)}"
                )
        momentum = 1 - float(layer.get("momentum", 0.99))
        affine = center or scale
        super().__init__(channels, float(layer.get("epsilon", 1e-3)), momentum, affine)
        [self.axis] = axis if isinstance(axis, list) else [axis]
        if affine:
            self.weight = weight(tensors.pop(0) if scale else torch.ones(channels))
            self.bias = weight(tensors.pop(0) if center else torch.zeros(channels))
        self.running_mean, self.running_var = tensors

    def _check_input_dim(self, _: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, value: Value, **_: Any) -> Value:  # type: ignore[override]
        """Of the same shape."""
        normalized = super().forward
        at = value.axis(self.axis)
        if at == 1 or value.rank == 2:
            return value.mapped(normalized)
        if self.axis % value.rank == value.rank - 1:
            return Value(normalized(value.channels_first()), True)
        return value.mapped(lambda x: normalized(x.movedim(at, 1)).movedim(1, at))


@builds("BatchNormalization", "SyncBatchNormalization")
def batch_normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `BatchNormalization` and `SyncBatchNormalization`."""
    layer.refuse("renorm", False)
    return BatchNormalization(layer)


class _Scaled(nn.Module):
    """A normalization with a factor and an offset, where the file has them."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.epsilon = float(layer.get("epsilon", 1e-3))
        axis = layer.get("axis", -1)
        self.axes = [int(n) for n in (axis if isinstance(axis, list) else [axis])]
        scale, center = bool(layer.get("scale", True)), bool(layer.get("center", True))
        self.weight = weight(layer.tensor(0)) if scale else None
        self.bias = weight(layer.tensor(int(scale))) if center else None


class LayerNormalization(_Scaled):
    """Over the axes of the file."""

    def forward(self, value: Value, **_: Any) -> Value:
        """Of the same shape."""
        x = value.last()
        axes = sorted(axis % x.ndim for axis in self.axes)
        if axes == list(range(x.ndim - len(axes), x.ndim)):
            sizes = x.shape[axes[0] :]
            return Value(F.layer_norm(x, sizes, self.weight, self.bias, self.epsilon))
        mean = x.mean(axes, keepdim=True)
        variance = ((x - mean) ** 2).mean(axes, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.epsilon)
        if self.weight is not None:
            x = x * _spread(self.weight, axes, x.ndim)
        if self.bias is not None:
            x = x + _spread(self.bias, axes, x.ndim)
        return Value(x)


def _spread(tensor: Tensor, axes: Sequence[int], rank: int) -> Tensor:
    """A tensor along these axes of `rank`."""
    sizes = [1] * rank
    for axis, size in zip(axes, tensor.shape, strict=True):
        sizes[axis] = size
    return tensor.reshape(sizes)


@builds("LayerNormalization")
def layer_normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `LayerNormalization`."""
    layer.refuse("rms_scaling", False)
    return LayerNormalization(layer)


class GroupNormalization(_Scaled):
    """Over groups of channels."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer)
        self.groups = int(layer.get("groups", 32))

    def forward(self, value: Value, **_: Any) -> Value:
        """Of the same shape."""
        [axis] = self.axes
        last = axis % value.rank == value.rank - 1
        x = value.channels_first() if last else value.last().movedim(axis, 1)
        groups = x.shape[1] if self.groups == -1 else self.groups
        found = F.group_norm(x, groups, self.weight, self.bias, self.epsilon)
        return Value(found, found.ndim > 2) if last else Value(found.movedim(1, axis))


@builds("GroupNormalization")
def group_normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `GroupNormalization`."""
    return GroupNormalization(layer)


class RMSNormalization(nn.Module):
    """By the root of the mean square along an axis."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.weight = weight(layer.tensor(0))
        self.epsilon = float(layer.get("epsilon", 1e-6))
        layer.refuse("axis", -1, [-1])

    def forward(self, value: Value, **_: Any) -> Value:
        """Of the same shape."""
        x = value.last()
        square = (x * x).mean(-1, keepdim=True)
        return Value(x * torch.rsqrt(square + self.epsilon) * self.weight)


@builds("RMSNormalization")
def rms_normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `RMSNormalization`."""
    return RMSNormalization(layer)


@builds("UnitNormalization")
def unit_normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `UnitNormalization`."""
    axis = layer.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]

    def function(value: Value) -> Value:
        at = [value.axis(int(n)) for n in axes]
        square = (value.data * value.data).sum(at, keepdim=True)
        return value.mapped(lambda x: x * torch.rsqrt(square.clamp(min=_TINY)))

    return Function(function)
