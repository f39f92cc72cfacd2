"""Layers that move, repeat, cut and add elements."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from edgekit.program import windows
from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.convolution import Window
from edgekit.sources.keras.layers.registry import Function, Layer, builds


@builds("Flatten")
def flatten(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Flatten`."""
    first = layer.config.channels_first

    def function(value: Value) -> Value:
        data = value.last()
        if first and data.ndim > 2:  # Keras puts the channels last before it flattens
            data = data.movedim(1, -1)
        return Value(data.reshape(data.shape[0], -1))

    return Function(function)


@builds("Reshape")
def reshape(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Reshape`."""
    target = tuple(int(n) for n in layer.values["target_shape"])

    def function(value: Value) -> Value:
        if target == tuple(value.shape[1:]):
            return value
        data = value.last()
        return Value(data.reshape(data.shape[0], *target))

    return Function(function)


@builds("Permute")
def permute(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Permute`."""
    dims = tuple(int(n) for n in layer.values["dims"])
    return Function(lambda value: Value(value.last().permute(0, *dims)))


@builds("RepeatVector")
def repeat_vector(layer: Layer) -> nn.Module:
    """Build the module of Keras's `RepeatVector`."""
    count = int(layer.values["n"])
    return Function(lambda value: Value(value.last().unsqueeze(1).repeat(1, count, 1)))


def plain_window(layer: Layer, count: int) -> Window:
    """The window of a layer that looks at one place at a time."""
    ones = (1,) * count
    return Window(
        kernel=ones, strides=ones, dilation=ones, padding="valid",
        channels_first=layer.config.channels_first,
    )  # fmt: skip


def _sides(layer: Layer, name: str, count: int, otherwise: Any) -> windows.Pads:
    """A number for all, a number a dimension, or two a dimension."""
    given = layer.get(name, otherwise)
    if isinstance(given, int):
        return [(given, given)] * count
    if count == 1 and len(given) == 2 and not isinstance(given[0], list):
        return [(int(given[0]), int(given[1]))]
    if len(given) != count:
        raise ValueError(f"{name} is {str(given)[:40]}")
    pairs = [(each, each) if isinstance(each, int) else each for each in given]
    found = [(int(before), int(after)) for before, after in pairs]
    if min(min(pair) for pair in found) < 0:
        raise ValueError(f"{name} is {str(given)[:40]}")
    return found


@builds("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(layer: Layer) -> nn.Module:
    """Build the module of Keras's `ZeroPadding1D`, `ZeroPadding2D` and `ZeroPadding3D`."""
    count = int(layer.kind[-2])
    pads, window = _sides(layer, "padding", count, 1), plain_window(layer, count)
    return Function(lambda v: window.given(windows.padded(window.taken(v), pads)))


@builds("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Cropping1D`, `Cropping2D` and `Cropping3D`."""
    count = int(layer.kind[-2])
    cuts, window = _sides(layer, "cropping", count, 1), plain_window(layer, count)

    def function(value: Value) -> Value:
        x = window.taken(value)
        for dim, (before, after) in enumerate(cuts, 2):
            x = x.narrow(dim, before, x.shape[dim] - before - after)
        return window.given(x)

    return Function(function)


@builds("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(layer: Layer) -> nn.Module:
    """Build the module of Keras's `UpSampling1D`, `UpSampling2D` and `UpSampling3D`."""
    count = int(layer.kind[-2])
    factors, window = layer.integers("size", count, 2), plain_window(layer, count)
    mode = str(layer.get("interpolation", "nearest"))
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"interpolation={mode[:20]!r} is not supported")

    def function(value: Value) -> Value:
        x = window.taken(value)
        size = [n * factor for n, factor in zip(x.shape[2:], factors, strict=True)]
        kind: dict[str, Any] = {"mode": mode}
        if mode == "bilinear":
            kind["align_corners"] = False
        return window.given(F.interpolate(x, size, **kind))

    return Function(function)
