"""Layers that move, repeat, cut, add and resize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.sources.keras.reference.convolution import channels_last, restored
from edgekit.sources.keras.reference.walk import Array, Defined, defines


@defines("Flatten")
def flatten(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Flatten` on arrays, by its definition."""
    x = channels_last(layer, x) if x.ndim > 2 else x
    return x.reshape(x.shape[0], -1)


@defines("Reshape")
def reshape(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Reshape` on arrays, by its definition."""
    return x.reshape(x.shape[0], *layer.get("target_shape"))


@defines("Permute")
def permute(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Permute` on arrays, by its definition."""
    return x.transpose(0, *layer.get("dims"))


@defines("RepeatVector")
def repeat_vector(layer: Defined, x: Array) -> Array:
    """Compute Keras's `RepeatVector` on arrays, by its definition."""
    return np.repeat(x[:, None], layer.get("n"), axis=1)


def _sides(given: Any, count: int) -> list[tuple[int, int]]:
    if isinstance(given, int):
        return [(given, given)] * count
    if count == 1:
        return [(given[0], given[1])]
    return [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in given]


@defines("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(layer: Defined, x: Array) -> Array:
    """Compute Keras's `ZeroPadding1D`, `ZeroPadding2D` and `ZeroPadding3D` on arrays, by its
    definition."""
    sides = _sides(layer.get("padding", 1), int(layer.kind[-2]))
    return restored(layer, np.pad(channels_last(layer, x), [(0, 0), *sides, (0, 0)]))


@defines("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Cropping1D`, `Cropping2D` and `Cropping3D` on arrays, by its
    definition."""
    x = channels_last(layer, x)
    sides = _sides(layer.get("cropping", 1), int(layer.kind[-2]))
    cut = [slice(a, n - b) for (a, b), n in zip(sides, x.shape[1:-1], strict=True)]
    return restored(layer, x[(slice(None), *cut)])


@defines("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(layer: Defined, x: Array) -> Array:
    """Compute Keras's `UpSampling1D`, `UpSampling2D` and `UpSampling3D` on arrays, by its
    definition."""
    x = channels_last(layer, x)
    given = layer.get("size", 2)
    factors = given if isinstance(given, list) else [given] * (x.ndim - 2)
    if layer.get("interpolation", "nearest") == "bilinear":
        requested = [n * f for n, f in zip(x.shape[1:-1], factors, strict=True)]
        return restored(layer, _bilinear(x, requested))
    for axis, factor in enumerate(factors, 1):
        x = np.repeat(x, factor, axis=axis)
    return restored(layer, x)


def _bilinear(x: Array, sizes: Sequence[int]) -> Array:
    """Between the centers of the elements, one axis after the other."""
    for axis, size in enumerate(sizes, 1):
        count = x.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, count - 1)
        part = (at - low).reshape(-1, *(1,) * (x.ndim - axis - 1))
        x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    return x


@defines("Resizing")
def resizing(layer: Defined, x: Array) -> Array:
    """Compute Keras's `Resizing` on arrays, by its definition."""
    x = channels_last(layer, x)
    sizes = [layer.get("height"), layer.get("width")]
    if layer.get("interpolation", "bilinear") == "bilinear":
        return restored(layer, _bilinear(x, sizes))
    for axis, size in enumerate(sizes, 1):
        count = x.shape[axis]
        at = np.floor((np.arange(size) + 0.5) * count / size).astype(int)
        x = np.take(x, np.minimum(at, count - 1), axis)
    return restored(layer, x)


@defines("CenterCrop")
def center_crop(layer: Defined, x: Array) -> Array:
    """Compute Keras's `CenterCrop` on arrays, by its definition."""
    x = channels_last(layer, x)
    height, width = layer.get("height"), layer.get("width")
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    return restored(layer, x[:, top : top + height, left : left + width])


_REDUCTIONS: dict[str, Callable[..., Array]] = {
    "Mean": np.mean, "Sum": np.sum, "Max": np.max, "Min": np.min,
}  # fmt: skip


@defines(*(f"ops.{name}" for name in _REDUCTIONS))
def reduction(
    layer: Defined, x: Array, axis: Any = None, keepdims: bool = False
) -> Array:
    """Compute Keras's `reduction` operators on arrays, by its definition."""
    at = layer.get("axis") if axis is None else axis
    axes = at if isinstance(at, int) else tuple(at)
    keep = bool(keepdims or layer.get("keepdims", False))
    return np.asarray(_REDUCTIONS[layer.kind](x, axis=axes, keepdims=keep))


@defines("ops.Reshape")
def reshape_operation(layer: Defined, x: Array, newshape: Any = None) -> Array:
    """Compute Keras's `Reshape` on arrays, by its definition."""
    sizes = newshape or layer.get("newshape")
    return x.reshape(x.shape[0], *(-1 if n is None else n for n in sizes[1:]))


@defines("ops.Transpose")
def transpose(layer: Defined, x: Array, axes: Any = None) -> Array:
    """Compute Keras's `Transpose` on arrays, by its definition."""
    return x.transpose(axes or layer.get("axes"))


@defines("ops.ExpandDims")
def expand(layer: Defined, x: Array, axis: Any = None) -> Array:
    """Compute Keras's `ExpandDims` on arrays, by its definition."""
    return np.expand_dims(x, layer.get("axis") if axis is None else axis)


@defines("ops.Squeeze")
def squeeze(layer: Defined, x: Array, axis: Any = None) -> Array:
    """Compute Keras's `Squeeze` on arrays, by its definition."""
    at = layer.get("axis") if axis is None else axis
    return np.squeeze(x, tuple(at) if isinstance(at, list) else at)


@defines("ops.Concatenate")
def concatenate(layer: Defined, xs: Sequence[Array], axis: Any = None) -> Array:
    """Compute Keras's `Concatenate` on arrays, by its definition."""
    return np.concatenate(xs, layer.get("axis", 0) if axis is None else axis)


@defines("ops.Clip")
def clip(layer: Defined, x: Array, x_min: Any = None, x_max: Any = None) -> Array:
    """Compute Keras's `Clip` on arrays, by its definition."""
    low = layer.get("x_min") if x_min is None else x_min
    return np.clip(x, low, layer.get("x_max") if x_max is None else x_max)


@defines("ops.Cast")
def cast(layer: Defined, x: Array, dtype: Any = None) -> Array:
    """Compute Keras's `Cast` on arrays, by its definition."""
    return x


@defines("ops.GetItem")
def get_item(layer: Defined, x: Array, key: Any) -> Array:
    """Compute Keras's `GetItem` on arrays, by its definition."""
    return x[tuple(key) if isinstance(key, list | tuple) else key]
