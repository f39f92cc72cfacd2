"""Pooling and reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.operators.windows import Window
from edgekit.sources.onnx.registry import on_known, operator
from edgekit.sources.onnx.values import Known, axes_of, known, symbolic, whole

_MAX = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


@operator("MaxPool")
def max_pool(call: Call, x: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Compute ONNX's `MaxPool`."""
    window = Window.of(call, x, list(call.get("kernel_shape")))
    rank, ceil = len(window.kernel), bool(call.get("ceil_mode", 0))
    kind = x.dtype
    x = x if x.is_floating_point() else x.float()
    sizes = list(x.shape[2:])
    padding = window.before
    fits = all(2 * p <= k for p, k in zip(padding, window.kernel, strict=True))
    if window.before != window.after or not fits:
        x, padding = F.pad(x, window.around, value=float("-inf")), [0] * rank
    given = (window.kernel, window.strides, padding, window.dilations, ceil)
    if call.outputs == 1:
        return _MAX[rank - 1](x, *given).to(kind)
    y, places = _MAX[rank - 1](x, *given, return_indices=True)
    if padding != window.before:
        raise call.refuse("gives places in padding that differs before and after")
    return y.to(kind), _numbered(call, places, sizes)


def _numbered(call: Call, places: Tensor, sizes: list[Any]) -> Tensor:
    """Places counted through the whole tensor, as ONNX does, not through an image."""
    if call.get("storage_order", 0):
        rows, columns = sizes
        places = places % columns * rows + places // columns
    count = 1
    for size in sizes:
        count *= size
    planes = torch.arange(places.shape[0] * places.shape[1]).reshape(
        places.shape[0], places.shape[1], *[1] * len(sizes)
    )
    return places + planes * count


@operator("AveragePool")
def average_pool(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `AveragePool`."""
    window = Window.of(call, x, list(call.get("kernel_shape")))
    rank, ceil = len(window.kernel), bool(call.get("ceil_mode", 0))
    counted = bool(call.get("count_include_pad", 0))
    if any(d != 1 for d in window.dilations):
        return _average_dilated(call, x, window, counted=counted)
    padding = window.before
    fits = all(2 * p <= k for p, k in zip(padding, window.kernel, strict=True))
    pool = _AVERAGE[rank - 1]
    if window.before == window.after and fits:
        return pool(x, window.kernel, window.strides, padding, ceil, counted)
    none = [0] * rank
    given = (window.kernel, window.strides, none, ceil)
    y = pool(F.pad(x, window.around), *given)
    if counted:
        return y
    ones = F.pad(torch.ones_like(x[:1, :1]), window.around)
    return y / pool(ones, *given)


def _average_dilated(call: Call, x: Tensor, window: Window, *, counted: bool) -> Tensor:
    """By a convolution with equal weights: torch pools without gaps alone."""
    more = [0] * 2 * len(window.kernel)
    if call.get("ceil_mode", 0):
        more = _beyond(F.pad(x, window.around), window)
    ones = torch.ones_like(x[:1, :1])
    ones = F.pad(ones, window.around, value=1.0 if counted else 0.0)
    total = _summed(F.pad(F.pad(x, window.around), more), window)
    return total / _summed(F.pad(ones, more), window)


def _summed(x: Tensor, window: Window) -> Tensor:
    """The sum over each window of a padded input."""
    channels = x.shape[1]
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(window.kernel) - 1]
    ones = torch.ones([channels, 1, *window.kernel])
    return convolve(x, ones, None, window.strides, 0, window.dilations, channels)


@operator("LpPool")
def lp_pool(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `LpPool`."""
    window = Window.of(call, x, list(call.get("kernel_shape")))
    p = call.get("p", 2)
    powered = F.pad(x.abs() ** p, window.around)
    if call.get("ceil_mode", 0):
        powered = F.pad(powered, _beyond(powered, window))
    return _summed(powered, window) ** (1 / p)  # type: ignore[no-any-return]


def _beyond(x: Tensor, window: Window) -> list[int]:
    """Padding after the end that a size rounded up reaches into."""
    more = []
    for place in reversed(range(len(window.kernel))):
        reach = (window.kernel[place] - 1) * window.dilations[place] + 1
        left = (x.shape[2 + place] - reach) % window.strides[place]
        more += [0, (window.strides[place] - left) % window.strides[place]]
    return more


@operator("GlobalAveragePool")
def global_average(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `GlobalAveragePool`."""
    if x.ndim == 4:
        return F.adaptive_avg_pool2d(x, 1)
    return x.mean(list(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def global_max(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `GlobalMaxPool`."""
    return x.amax(list(range(2, x.ndim)), keepdim=True)


@operator("GlobalLpPool")
def global_lp(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `GlobalLpPool`."""
    p = call.get("p", 2)
    return (x.abs() ** p).sum(list(range(2, x.ndim)), keepdim=True) ** (1 / p)  # type: ignore[no-any-return]


@operator("MaxUnpool", known=(2,))
def max_unpool(
    call: Call, x: Tensor, places: Tensor, requested: Known | None = None
) -> Tensor:
    """Compute ONNX's `MaxUnpool`."""
    kernel = call.get("kernel_shape")
    rank = len(kernel)
    window = Window.of(call, x, list(kernel))
    sizes = [
        (size - 1) * s - b - a + k
        for size, s, b, a, k in zip(
            x.shape[2:],
            window.strides,
            window.before,
            window.after,
            kernel,
            strict=True,
        )
    ]
    natural = [*x.shape[:2], *sizes]
    shape = natural if requested is None else whole(requested)
    if requested is not None and shape[2:] != sizes and rank == 2:
        # Places count through the natural size, which lies at the start of the wanted one.
        rows, columns = places // sizes[1], places % sizes[1]
        places = rows % (natural[1] * sizes[0]) * shape[3] + columns
    count = 1
    for size in natural[2:] if requested is None else shape[2:]:
        count *= size
    flat = torch.zeros(*x.shape[:2], count)
    where = places.reshape(*x.shape[:2], -1) % count
    return flat.scatter(2, where, x.reshape(*x.shape[:2], -1)).reshape(shape)


Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def _total(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keep)
    return torch.mean(x.double(), axes, keepdim=keep).to(x.dtype)


def _extreme(pick: Callable[..., Tensor]) -> Reduction:
    def reduced(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        if x.dtype == torch.bool:
            return pick(x.to(torch.int32), axes, keepdim=keep).to(torch.bool)
        return pick(x, axes, keepdim=keep)

    return reduced


_REDUCE: dict[str, Reduction] = {
    "ReduceSum": _total,
    "ReduceMean": _mean,
    "ReduceMax": _extreme(torch.amax),
    "ReduceMin": _extreme(torch.amin),
    "ReduceProd": _product,
    "ReduceL1": lambda x, a, k: _total(x.abs(), a, k),
    "ReduceL2": lambda x, a, k: _total(x * x, a, k).float().sqrt().to(x.dtype),
    "ReduceSumSquare": lambda x, a, k: _total(x * x, a, k),
    "ReduceLogSum": lambda x, a, k: _total(x, a, k).log(),
    "ReduceLogSumExp": lambda x, a, k: torch.logsumexp(x, a, k),
}


@operator(*_REDUCE, known=(1,))
def reduced(call: Call, x: Tensor, axes: Known | None = None) -> Tensor:
    """Compute ONNX's `reduced` operators."""
    given = call.get("axes") if axes is None else whole(axes)
    if not given:
        if call.get("noop_with_empty_axes"):
            return _elementwise(call.node.kind, x)
        given = list(range(x.ndim))
    if not x.ndim:
        return _elementwise(call.node.kind, x)
    keep = bool(call.get("keepdims", 1))
    return _REDUCE[call.node.kind](x, sorted(axes_of(given, x.ndim)), keep)


def _elementwise(kind: str, x: Tensor) -> Tensor:
    """A reduction over no axis."""
    return _REDUCE[kind](x.unsqueeze(-1), [x.ndim], False)


@on_known("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin")
def _reduced_known(call: Call, x: Known, axes: Known | None = None) -> Known:
    given = call.get("axes") if axes is None else whole(axes)
    if not given and call.get("noop_with_empty_axes"):
        return x
    kinds: dict[str, Callable[..., Any]] = {
        "ReduceProd": np.prod,
        "ReduceSum": np.sum,
        "ReduceMax": np.max,
        "ReduceMin": np.min,
    }
    over = tuple(given) if given else None
    keep = bool(call.get("keepdims", 1))
    result = kinds[call.node.kind](x, axis=over, keepdims=keep)
    return known(result) if symbolic(x) else np.asarray(result, x.dtype)
