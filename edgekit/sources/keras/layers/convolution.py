"""Convolutions of one to three dimensions: plain, by channel, separable and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program import windows
from edgekit.program.channel_order import Value, ordered
from edgekit.sources.keras.layers import activations
from edgekit.sources.keras.layers.registry import Layer, builds, weight

_FORWARD = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_PADDINGS = ("valid", "same", "causal", "half")


@dataclass(frozen=True, kw_only=True)
class Window:
    """Sliding of a kernel; `channels_first` is the order of the file's own tensors."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    channels_first: bool

    def taken(self, value: Value) -> Tensor:
        """The input with its channels behind the batch."""
        return value.last() if self.channels_first else value.channels_first()

    def given(self, data: Tensor) -> Value:
        """The output in the order that the input came in."""
        return Value(data) if self.channels_first else ordered(data)

    def pads(self, sizes: Sequence[int]) -> windows.Pads:
        """Padding of an input of these sizes."""
        if self.padding in ("same", "half"):
            return windows.same(sizes, self.kernel, self.strides, self.dilation)
        if self.padding == "causal":
            [width], [step] = self.kernel, self.dilation
            return [((width - 1) * step, 0)]
        return [(0, 0)] * len(self.kernel)


def window(layer: Layer, dimensions: int, kernel: Sequence[int]) -> Window:
    """The window of a layer whose kernel has these sizes."""
    padding = str(layer.get("padding", "valid"))
    if padding not in _PADDINGS:
        raise ValueError(f"padding={padding[:20]!r}")
    return Window(
        kernel=tuple(kernel),
        strides=layer.integers("strides", dimensions),
        dilation=layer.integers("dilation_rate", dimensions),
        padding=padding,
        channels_first=layer.config.channels_first,
    )


class Convolution(nn.Module):
    """`weight` is (outputs, inputs a group, *kernel), as torch has it."""

    def __init__(
        self, kernel: Tensor, bias: Tensor | None, window: Window, groups: int
    ) -> None:
        super().__init__()
        self.weight = weight(kernel)
        self.bias = None if bias is None else weight(bias)
        self.window = window
        self.groups = groups

    def forward(self, value: Value) -> Value:
        """(batch, channels, *sizes), channels in the file's place."""
        x, window = self.window.taken(value), self.window
        pads = window.pads(x.shape[2:])
        beside = windows.even(pads)
        if beside is None:
            x, beside = windows.padded(x, pads), (0,) * len(pads)
        groups = self.groups or x.shape[1] // self.weight.shape[1]
        convolve = _FORWARD[len(pads)]
        return window.given(
            convolve(
                x,
                self.weight,
                self.bias,
                window.strides,
                beside,
                window.dilation,
                groups,
            )
        )


class Activated(nn.Module):
    """A layer's parts in a row, and its activation."""

    def __init__(self, activation: activations.Activation, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.activation = activation

    def forward(self, value: Value, **_: Any) -> Value:
        """The activation of what the parts make."""
        for part in self.children():
            value = part(value)
        return self.activation(value)


class _Conv(Convolution):
    """A convolution that is a layer of its own."""

    def __init__(
        self, layer: Layer, kernel: Tensor, window: Window, groups: int
    ) -> None:
        bias = layer.tensor(1) if layer.get("use_bias", True) else None
        super().__init__(kernel, bias, window, groups)
        self.activation = activations.of(layer)

    def forward(self, value: Value, **_: Any) -> Value:
        """With its activation."""
        return self.activation(super().forward(value))


@builds("Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D")
def convolution(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Conv1D`, `Conv2D`, `Conv3D`, `Convolution1D`,
    `Convolution2D` and `Convolution3D`."""
    kernel = layer.tensor(0)
    sizes = kernel.shape[:-2]
    count = len(sizes)
    layer.refuse("kernel_size", list(sizes), *([sizes[0]] if count == 1 else []))
    axes = (count + 1, count, *range(count))
    return _Conv(layer, kernel.permute(axes), window(layer, count, sizes), 0)


@builds("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(layer: Layer) -> nn.Module:
    """Build the module of Keras's `DepthwiseConv1D` and `DepthwiseConv2D`."""
    kernel = layer.tensor(0)
    slides = window(layer, kernel.ndim - 2, kernel.shape[:-2])
    return _Conv(layer, _by_channel(kernel), slides, kernel.shape[-2])


def _by_channel(kernel: Tensor) -> Tensor:
    """(*kernel, inputs, multiplier) as (inputs * multiplier, 1, *kernel)."""
    count = kernel.ndim - 2
    inputs, multiplier = kernel.shape[-2:]
    order = (count, count + 1, *range(count))
    return kernel.permute(order).reshape(inputs * multiplier, 1, *kernel.shape[:count])


@builds("SeparableConv1D", "SeparableConv2D")
def separable(layer: Layer) -> nn.Module:
    """Build the module of Keras's `SeparableConv1D` and `SeparableConv2D`."""
    depth, point = layer.tensor(0), layer.tensor(1)
    count = depth.ndim - 2
    slides = window(layer, count, depth.shape[:-2])
    single = Window(
        kernel=(1,) * count,
        strides=(1,) * count,
        dilation=(1,) * count,
        padding="valid",
        channels_first=slides.channels_first,
    )
    bias = layer.tensor(2) if layer.get("use_bias", True) else None
    pointwise = point.permute(count + 1, count, *range(count))
    return Activated(
        activations.of(layer),
        depthwise=Convolution(_by_channel(depth), None, slides, depth.shape[-2]),
        pointwise=Convolution(pointwise, bias, single, 1),
    )


class TransposedConvolution(nn.Module):
    """The gradient of a convolution; `weight` is (inputs, outputs, *kernel)."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        kernel = layer.tensor(0)
        self.count = kernel.ndim - 2
        self.window = window(layer, self.count, kernel.shape[:-2])
        if self.window.padding == "causal":
            raise ValueError("padding='causal' of a transposed convolution")
        axes = (self.count + 1, self.count, *range(self.count))
        self.weight = weight(kernel.permute(axes))
        self.bias = weight(layer.tensor(1)) if layer.get("use_bias", True) else None
        layer.refuse("output_padding")
        layer.refuse("groups", 1)
        self.activation = activations.of(layer)

    def forward(self, value: Value, **_: Any) -> Value:
        """Strides times as large, and for "valid" by what the kernel stands over."""
        x, window = self.window.taken(value), self.window
        reach = [
            (k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)
        ]
        before, after = [], []
        for size, stride, width in zip(x.shape[2:], window.strides, reach, strict=True):
            full = (size - 1) * stride + width
            whole = size * stride
            requested = (
                whole if window.padding == "same" else whole + max(width - stride, 0)
            )
            before.append(max(full - requested, 0) // 2)
            after.append(requested - full + before[-1])
        transpose = _TRANSPOSED[self.count]
        y = transpose(x, self.weight, None, window.strides, dilation=window.dilation)
        cut = [(-first, last) for first, last in zip(before, after, strict=True)]
        y = windows.padded(y, cut)
        if self.bias is not None:
            y = y + self.bias.reshape(-1, *(1,) * self.count)
        return self.activation(window.given(y))


@builds("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Conv1DTranspose`, `Conv2DTranspose` and
    `Conv3DTranspose`."""
    return TransposedConvolution(layer)
