"""Pooling over windows and over everything."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.sources.keras.layers import windows
from edgekit.sources.keras.layers.convolution import Window
from edgekit.sources.keras.layers.registry import Function, Layer, builds
from edgekit.sources.keras.values import Value

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _window(layer: Layer) -> Window:
    count = int(layer.kind[-2])
    kernel = layer.integers("pool_size", count, 2)
    given = layer.get("strides")
    padding = str(layer.get("padding", "valid"))
    if padding not in ("valid", "same"):
        raise ValueError(f"padding={padding[:20]!r}")
    return Window(
        kernel=kernel,
        strides=kernel if given is None else layer.integers("strides", count),
        dilation=(1,) * count,
        padding=padding,
        channels_first=layer.config.channels_first,
    )


@builds("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(layer: Layer) -> nn.Module:
    window = _window(layer)

    def function(value: Value) -> Value:
        x = window.taken(value)
        pads = window.pads(x.shape[2:])
        beside = windows.even(pads)
        ceiling = _by_ceiling(pads)
        if beside is None and not ceiling:
            x = windows.padded(x, pads, float("-inf"))
        pool = _MAX[len(pads)]
        beside = beside or (0,) * len(pads)
        found = pool(x, window.kernel, window.strides, beside, ceil_mode=ceiling)
        return window.given(found)

    return Function(function)


def _by_ceiling(pads: windows.Pads) -> bool:
    """Whether the padding is a last window that stands over the edge, in every dimension."""
    return all(before == 0 and after > 0 for before, after in pads)


@builds("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(layer: Layer) -> nn.Module:
    window = _window(layer)

    def function(value: Value) -> Value:
        x = window.taken(value)
        pads = window.pads(x.shape[2:])
        pool, count = _AVERAGE[len(pads)], len(pads)
        beside = windows.even(pads)
        if beside is not None:
            kind: dict[str, Any] = {"padding": beside, "count_include_pad": False}
            return window.given(pool(x, window.kernel, window.strides, **kind))
        inside = windows.padded(torch.ones(1, 1, *x.shape[2:]), pads)
        share = pool(inside, window.kernel, window.strides)
        found = pool(windows.padded(x, pads), window.kernel, window.strides)
        return window.given(found / share.reshape(1, 1, *share.shape[-count:]))

    return Function(function)


@builds(*(f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)))
def global_pooling(layer: Layer) -> nn.Module:
    keep, first = bool(layer.get("keepdims", False)), layer.config.channels_first
    largest = "Max" in layer.kind

    def function(value: Value) -> Value:
        data = value.last() if first else value.data
        channels_behind_batch = first or value.first
        axes = tuple(
            range(2, data.ndim) if channels_behind_batch else range(1, data.ndim - 1)
        )
        found = _over(data, axes, keep, largest)
        return Value(found, keep and value.first and not first)

    return Function(function)


def _over(x: Tensor, axes: tuple[int, ...], keep: bool, largest: bool) -> Tensor:
    return x.amax(axes, keep) if largest else x.mean(axes, keep)


@builds(
    *(f"Adaptive{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3))
)
def adaptive_pooling(layer: Layer) -> nn.Module:
    count = int(layer.kind[-2])
    size = layer.integers("output_size", count)
    kind = "max" if "Max" in layer.kind else "avg"
    pool = getattr(F, f"adaptive_{kind}_pool{count}d")
    window = Window(
        kernel=size, strides=size, dilation=size, padding="valid",
        channels_first=layer.config.channels_first,
    )  # fmt: skip
    return Function(lambda value: window.given(pool(window.taken(value), size)))
