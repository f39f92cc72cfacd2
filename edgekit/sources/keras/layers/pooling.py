"""Pooling over windows and over everything."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program import windows
from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.convolution import Window
from edgekit.sources.keras.layers.registry import Function, Layer, builds


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
    """Build the module of Keras's `MaxPooling1D`, `MaxPooling2D` and `MaxPooling3D`."""
    return _pooled(_window(layer), windows.max_pool)


@builds("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(layer: Layer) -> nn.Module:
    """Build the module of Keras's `AveragePooling1D`, `AveragePooling2D` and
    `AveragePooling3D`."""
    return _pooled(_window(layer), windows.average_pool)


def _pooled(window: Window, pool: Callable[..., Tensor]) -> nn.Module:
    def function(value: Value) -> Value:
        x = window.taken(value)
        pads = window.pads(x.shape[2:])
        return window.given(pool(x, window.kernel, window.strides, pads))

    return Function(function)


@builds(*(f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)))
def global_pooling(layer: Layer) -> nn.Module:
    """Build the module of Keras's `global_pooling` operators."""
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
    """Build the module of Keras's `adaptive_pooling` operators."""
    count = int(layer.kind[-2])
    size = layer.integers("output_size", count)
    kind = "max" if "Max" in layer.kind else "avg"
    pool = getattr(F, f"adaptive_{kind}_pool{count}d")
    window = Window(
        kernel=size, strides=size, dilation=size, padding="valid",
        channels_first=layer.config.channels_first,
    )  # fmt: skip
    return Function(lambda value: window.given(pool(window.taken(value), size)))
