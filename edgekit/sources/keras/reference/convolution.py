"""Convolutions and pooling: a sum over the places of the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from edgekit.sources.keras.reference.activations import activated
from edgekit.sources.keras.reference.walk import Array, Defined, defines


def _multiple(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (int(value),) * count


def channels_last(layer: Defined, x: Array) -> Array:
    """The input as (batch, *sizes, channels)."""
    return np.moveaxis(x, 1, -1) if layer.config.channels_first else x


def restored(layer: Defined, y: Array) -> Array:
    """An output (batch, *sizes, channels) in the layer's own order."""
    return np.moveaxis(y, -1, 1) if layer.config.channels_first else y


def _padded(
    layer: Defined, x: Array, kernel: Sequence[int], fill: float = 0.0
) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """`x` with what "same" or "causal" adds, the strides and the dilation."""
    count = len(kernel)
    strides = _multiple(layer.get("strides", 1), count)
    dilation = _multiple(layer.get("dilation_rate", 1), count)
    padding = layer.get("padding", "valid")
    sides = [(0, 0)]
    for size, k, s, d in zip(x.shape[1:-1], kernel, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        if padding in ("same", "half"):
            missing = max((int(np.ceil(size / s)) - 1) * s + reach - size, 0)
            sides.append((missing // 2, missing - missing // 2))
        else:
            sides.append((reach - 1, 0) if padding == "causal" else (0, 0))
    return np.pad(x, [*sides, (0, 0)], constant_values=fill), strides, dilation


def _places(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each place in the kernel, the elements of `x` that it meets, one a window."""
    windows = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, s, d in zip(x.shape[1:-1], kernel, strides, dilation, strict=True)
    ]
    for place in product(*map(range, kernel)):
        cut = [
            slice(at * d, at * d + (n - 1) * s + 1, s)
            for at, d, n, s in zip(place, dilation, windows, strides, strict=True)
        ]
        yield place, x[(slice(None), *cut)]


def _bias(layer: Defined, y: Array, number: int) -> Array:
    return y + layer.weights[number] if layer.get("use_bias", True) else y


@defines(
    "Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"
)
def convolution(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Conv1D`, `Conv2D`, `Conv3D`, `Convolution1D`, `Convolution2D` and
    `Convolution3D` on arrays, by its definition."""
    kernel = layer.weights[0]
    x, strides, dilation = _padded(layer, channels_last(layer, x), kernel.shape[:-2])
    width = kernel.shape[-2]
    groups = x.shape[-1] // width
    outputs = kernel.shape[-1] // groups
    total: Any = 0
    for place, met in _places(x, kernel.shape[:-2], strides, dilation):
        total = total + np.concatenate(
            [
                met[..., g * width : (g + 1) * width]
                @ kernel[place][:, g * outputs : (g + 1) * outputs]
                for g in range(groups)
            ],
            -1,
        )
    return activated_in_order(layer, _bias(layer, total, 1))


def activated_in_order(layer: Defined, y: Array) -> Array:
    """The activation, along the last dimension of the layer's own order."""
    return activated(layer, restored(layer, y))


def _by_channel(layer: Defined, x: Array) -> Array:
    kernel = layer.weights[0]
    x, strides, dilation = _padded(layer, channels_last(layer, x), kernel.shape[:-2])
    total: Any = 0
    for place, met in _places(x, kernel.shape[:-2], strides, dilation):
        total = total + met[..., None] * kernel[place]
    return np.asarray(total.reshape(*total.shape[:-2], -1))


@defines("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(layer: Defined, x: Array) -> Array:
    """Compute Keras's `DepthwiseConv1D` and `DepthwiseConv2D` on arrays, by its definition."""
    return activated_in_order(layer, _bias(layer, _by_channel(layer, x), 1))


@defines("SeparableConv1D", "SeparableConv2D")
def separable(layer: Defined, x: Array) -> Array:
    """Compute Keras's `SeparableConv1D` and `SeparableConv2D` on arrays, by its definition."""
    point = layer.weights[1]
    mixed = _by_channel(layer, x) @ point.reshape(point.shape[-2:])
    return activated_in_order(layer, _bias(layer, mixed, 2))


@defines("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(layer: Defined, x: Array) -> Array:
    """Every element of the input adds its multiple of the kernel where it stands."""
    kernel, x = layer.weights[0], channels_last(layer, x)
    sizes, count = kernel.shape[:-2], kernel.ndim - 2
    strides = _multiple(layer.get("strides", 1), count)
    dilation = _multiple(layer.get("dilation_rate", 1), count)
    reach = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    room = [n * s + r for n, s, r in zip(x.shape[1:-1], strides, reach, strict=True)]
    total = np.zeros((x.shape[0], *room, kernel.shape[-2]))
    for place in product(*(range(n) for n in sizes)):
        cut = [
            slice(at * d, at * d + n * s, s)
            for at, d, n, s in zip(place, dilation, x.shape[1:-1], strides, strict=True)
        ]
        total[(slice(None), *cut)] += x @ kernel[place].T
    same = layer.get("padding", "valid") == "same"
    kept = []
    for n, s, r in zip(x.shape[1:-1], strides, reach, strict=True):
        start = max(r - s, 0) // 2 if same else 0
        kept.append(slice(start, start + n * s + (0 if same else max(r - s, 0))))
    return activated_in_order(layer, _bias(layer, total[(slice(None), *kept)], 1))


def _window(layer: Defined) -> tuple[Defined, tuple[int, ...]]:
    count = int(layer.kind[-2])
    size = _multiple(layer.get("pool_size", 2), count)
    values = {**layer.config.values, "strides": layer.get("strides", size)}
    return replace(layer, config=replace(layer.config, values=values)), size


@defines("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(layer: Defined, x: Array) -> Array:
    """Compute Keras's `MaxPooling1D`, `MaxPooling2D` and `MaxPooling3D` on arrays, by its
    definition."""
    layer, size = _window(layer)
    x, strides, dilation = _padded(layer, channels_last(layer, x), size, -np.inf)
    met = [found for _, found in _places(x, size, strides, dilation)]
    return restored(layer, np.max(met, axis=0))


@defines("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(layer: Defined, x: Array) -> Array:
    """Of the elements in the window, those of the padding not counted."""
    layer, size = _window(layer)
    x, strides, dilation = _padded(layer, channels_last(layer, x), size, np.nan)
    met = [found for _, found in _places(x, size, strides, dilation)]
    return restored(layer, np.nanmean(met, axis=0))


@defines(
    *(f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3))
)
def global_pooling(layer: Defined, x: Array) -> Array:
    """Compute Keras's `global_pooling` operators on arrays, by its definition."""
    axes = tuple(
        range(2, x.ndim) if layer.config.channels_first else range(1, x.ndim - 1)
    )
    reduce = np.max if "Max" in layer.kind else np.mean
    return np.asarray(reduce(x, axis=axes, keepdims=bool(layer.get("keepdims", False))))


@defines(
    *(f"Adaptive{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3))
)
def adaptive_pooling(layer: Defined, x: Array) -> Array:
    """Compute Keras's `adaptive_pooling` operators on arrays, by its definition."""
    x = channels_last(layer, x)
    count = x.ndim - 2
    sizes = _multiple(layer.get("output_size"), count)
    reduce = np.max if "Max" in layer.kind else np.mean
    found = np.zeros((x.shape[0], *sizes, x.shape[-1]))
    for place in product(*(range(n) for n in sizes)):
        cut = [
            slice(at * n // m, -(-(at + 1) * n // m))
            for at, n, m in zip(place, x.shape[1:-1], sizes, strict=True)
        ]
        window = x[(slice(None), *cut)]
        at: Any = (slice(None), *(int(n) for n in place))
        found[at] = reduce(window, axis=tuple(range(1, count + 1)))
    return restored(layer, found)
