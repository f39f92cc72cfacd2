"""Preprocessing that is a part of the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.core import array
from edgekit.sources.keras.layers.registry import Function, Layer, builds
from edgekit.sources.keras.layers.reshaping import plain_window

_LEAST = 1e-7
"""Keras's epsilon, below which it takes no standard deviation."""


class Affine(nn.Module):
    """`x * factor + offset`, by the file's last dimension or a dimension of `axes`."""

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)
        self.register_buffer("offset", offset)

    def forward(self, value: Value, **_: Any) -> Value:
        """Of the same shape."""
        return value.mapped(
            lambda x: x * self._as(self.factor, value) + self._as(self.offset, value)
        )

    def _as(self, numbers: Any, value: Value) -> Any:
        """The numbers in the order of a value."""
        if numbers.ndim == 0 or not value.first:
            return numbers
        spread = numbers.reshape(*(1,) * (value.rank - numbers.ndim), *numbers.shape)
        return spread.movedim(-1, 1)


@builds("Rescaling")
def rescaling(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Rescaling`."""
    return Affine(array(layer.values["scale"]), array(layer.get("offset", 0.0)))


@builds("Normalization")
def normalization(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Normalization`."""
    mean, variance = _moments(layer)
    deviation = variance.sqrt().clamp(min=_LEAST)
    if layer.get("invert", False):
        return Affine(deviation, mean)
    return Affine(1 / deviation, -mean / deviation)


def _moments(layer: Layer) -> tuple[Tensor, Tensor]:
    """Mean and variance, from the configuration or else the weights, to be broadcast.

    Along several axes, or another than the last, they need the rank of the input, which the
    file keeps.
    """
    if layer.values.get("mean") is not None:
        mean, variance = array(layer.values["mean"]), array(layer.values["variance"])
    else:
        mean, variance = layer.tensor(0), layer.tensor(1)
    axis = layer.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    if axes in ([-1], [None], []) or mean.numel() == 1:
        return mean.reshape(mean.numel() if mean.numel() > 1 else ()), variance.reshape(
            variance.numel() if variance.numel() > 1 else ()
        )
    shape = layer.values.get("build_shape")
    if shape is None:
        raise ValueError(f"axis={axes} is supported in a .keras file alone")
    sizes = [1] * len(shape)
    for at in axes:
        sizes[at] = int(shape[at])
    return mean.reshape(sizes), variance.reshape(sizes)


@builds("Resizing")
def resizing(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Resizing`."""
    size = (int(layer.values["height"]), int(layer.values["width"]))
    mode = str(layer.get("interpolation", "bilinear"))
    for name in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        layer.refuse(name, False)
    modes: dict[str, dict[str, Any]] = {
        "bilinear": {"mode": "bilinear", "align_corners": False},
        "nearest": {"mode": "nearest-exact"},
    }
    if mode not in modes:
        raise ValueError(f"interpolation={mode[:20]!r} is not supported")
    window = plain_window(layer, 2)
    return Function(
        lambda value: window.given(
            F.interpolate(window.taken(value), size, **modes[mode])
        )
    )


@builds("CenterCrop")
def center_crop(layer: Layer) -> nn.Module:
    """Build the module of Keras's `CenterCrop`."""
    height, width = int(layer.values["height"]), int(layer.values["width"])
    window = plain_window(layer, 2)

    def function(value: Value) -> Value:
        x = window.taken(value)
        top, left = x.shape[2] - height, x.shape[3] - width
        if top < 0 or left < 0:
            raise ValueError("CenterCrop of an image that is smaller is not supported")
        return window.given(x.narrow(2, top // 2, height).narrow(3, left // 2, width))

    return Function(function)


@builds("CategoryEncoding")
def category_encoding(layer: Layer) -> nn.Module:
    """Build the module of Keras's `CategoryEncoding`."""
    count = int(layer.values["num_tokens"])
    layer.refuse("output_mode", "one_hot", "multi_hot")
    multiple = layer.get("output_mode", "multi_hot") == "multi_hot"

    def function(value: Value) -> Value:
        numbers = value.last().long()
        if not multiple and numbers.shape[-1] == 1:
            numbers = numbers.squeeze(-1)
        found = (numbers.unsqueeze(-1) == torch.arange(count)).float()
        return Value(found.amax(-2) if multiple else found)

    return Function(function)
