"""Convolutions, dense layers, pooling and resizing."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from edgekit.program import windows
from edgekit.program.channel_order import Value, ordered
from edgekit.sources.tflite.operators.elements import activated, spread
from edgekit.sources.tflite.walk import Call, computes

_SAME = 0
_OIHW = (0, 3, 1, 2)


def _pads(
    call: Call, x: torch.Tensor, kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], windows.Pads]:
    strides = (int(call.option("StrideH", 1)), int(call.option("StrideW", 1)))
    if call.option("Padding") != _SAME:
        return strides, [(0, 0), (0, 0)]
    return strides, windows.same(x.shape[2:], kernel, strides, dilation)


def _convolved(call: Call, kernel: torch.Tensor, groups: int) -> Value:
    x = call.value(0).channels_first()
    size = (int(kernel.shape[2]), int(kernel.shape[3]))
    dilation = (
        int(call.option("DilationHFactor", 1)),
        int(call.option("DilationWFactor", 1)),
    )
    block = call.walk.dilated.get(call.operator.inputs[0])
    if block is not None:
        if call.option("Padding") == _SAME and size != (1, 1):
            raise ValueError("it pads between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND")
        dilation = (dilation[0] * block[0], dilation[1] * block[1])
    strides, pads = _pads(call, x, size, dilation)
    beside = windows.even(pads)
    if beside is None:
        x, beside = windows.padded(x, pads), (0, 0)
    bias = call.weight(2) if call.has(2) else None
    found = F.conv2d(
        x,
        kernel,
        bias,
        strides,
        beside,
        dilation,
        groups or x.shape[1] // kernel.shape[1],
    )
    return spread(call, activated(call, ordered(found)))


@computes("CONV_2D")
def convolution(call: Call) -> Value:
    """Compute TFLite's `CONV_2D`."""
    return _convolved(call, call.weight(1, _OIHW), 0)


@computes("DEPTHWISE_CONV_2D")
def depthwise(call: Call) -> Value:
    """Compute TFLite's `DEPTHWISE_CONV_2D`."""
    kernel = call.weight(1, (3, 0, 1, 2))
    return _convolved(call, kernel, int(call.value(0).channels_first().shape[1]))


@computes("TRANSPOSE_CONV")
def transposed(call: Call) -> Value:
    """Compute TFLite's `TRANSPOSE_CONV`."""
    kernel = call.weight(1, (3, 0, 1, 2))
    x = call.value(2).channels_first()
    requested = [
        int(n) for n in call.walk.graph.tensors[call.operator.outputs[0]].shape[1:3]
    ]
    strides = (int(call.option("StrideH", 1)), int(call.option("StrideW", 1)))
    y = F.conv_transpose2d(x, kernel, None, strides)
    cut = []
    for full, size in zip(y.shape[2:], requested, strict=True):
        before = max(full - size, 0) // 2 if call.option("Padding") == _SAME else 0
        cut.append((-before, size - full + before))
    y = windows.padded(y, cut)
    if call.has(3):
        y = y + call.weight(3).reshape(-1, 1, 1)
    return activated(call, ordered(y))


@computes("FULLY_CONNECTED")
def dense(call: Call) -> Value:
    """Compute TFLite's `FULLY_CONNECTED`."""
    weight = call.weight(1)
    x = call.value(0).last()
    if (not call.option("KeepNumDims") and x.ndim != 2) or x.shape[-1] != weight.shape[
        1
    ]:
        x = x.reshape(-1, int(weight.shape[1]))
    return activated(
        call, Value(F.linear(x, weight, call.weight(2) if call.has(2) else None))
    )


@computes("BATCH_MATMUL")
def matmul(call: Call) -> Value:
    """Compute TFLite's `BATCH_MATMUL`."""
    one, other = call.value(0).last(), call.value(1).last()
    one = one.transpose(-1, -2) if call.option("AdjX") else one
    other = other.transpose(-1, -2) if call.option("AdjY") else other
    return Value(one @ other)


@computes("MAX_POOL_2D", "AVERAGE_POOL_2D")
def pool(call: Call) -> Value:
    """Compute TFLite's `MAX_POOL_2D` and `AVERAGE_POOL_2D`."""
    x = call.value(0).channels_first()
    size = (int(call.option("FilterHeight", 1)), int(call.option("FilterWidth", 1)))
    strides, pads = _pads(call, x, size, (1, 1))
    function = windows.max_pool if call.kind == "MAX_POOL_2D" else windows.average_pool
    return activated(call, ordered(function(x, size, strides, pads)))


@computes("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(call: Call) -> Value:
    """Compute TFLite's `RESIZE_BILINEAR` and `RESIZE_NEAREST_NEIGHBOR`."""
    x = call.value(0).channels_first()
    height, width = (int(n) for n in call.host(1))
    corners = bool(call.option("AlignCorners"))
    centers = bool(call.option("HalfPixelCenters"))
    if (height, width) == tuple(x.shape[2:]):
        return ordered(x)
    if call.kind == "RESIZE_BILINEAR":
        return ordered(_bilinear(x, (height, width), corners, centers))
    if corners:
        raise ValueError("nearest with aligned corners is not supported")
    mode = "nearest-exact" if centers else "nearest"
    return ordered(F.interpolate(x, (height, width), mode=mode))


def _bilinear(
    x: torch.Tensor, size: tuple[int, int], corners: bool, centers: bool
) -> torch.Tensor:
    """As torch has it, or, where pixels are located by their corners, written out."""
    if corners or centers or tuple(x.shape[2:]) == (1, 1):
        kind: dict[str, Any] = {"mode": "bilinear", "align_corners": corners}
        return F.interpolate(x, size, **kind)
    for dim, requested in enumerate(size, 2):
        count = int(x.shape[dim])
        at = torch.arange(requested, dtype=torch.float64) * count / requested
        low = at.floor().long().clamp(max=count - 1)
        high = (low + 1).clamp(max=count - 1)
        part = (at - low).float().reshape(-1, *(1,) * (3 - dim))
        x = x.index_select(dim, low) * (1 - part) + x.index_select(dim, high) * part
    return x


@computes("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
def depth(call: Call) -> Value:
    """Compute TFLite's `DEPTH_TO_SPACE` and `SPACE_TO_DEPTH`."""
    block = int(call.option("BlockSize", 1))
    x = call.value(0).last()
    n, h, w, c = x.shape
    if call.kind == "DEPTH_TO_SPACE":
        split = x.reshape(n, h, w, block, block, c // block**2).permute(
            0, 1, 3, 2, 4, 5
        )
        return Value(split.reshape(n, h * block, w * block, c // block**2))
    split = x.reshape(n, h // block, block, w // block, block, c).permute(
        0, 1, 3, 2, 4, 5
    )
    return Value(split.reshape(n, h // block, w // block, c * block**2))


@computes("SPACE_TO_BATCH_ND")
def space_to_batch(call: Call) -> Value:
    """The input padded; the convolutions up to BATCH_TO_SPACE_ND are dilated instead."""
    block = tuple(int(n) for n in call.host(1))
    before = call.host(2)
    pads = [(int(before[n]), int(before[n + 1])) for n in range(0, len(before), 2)]
    if len(block) not in (1, 2) or len(call.shape(0)) != len(block) + 2:
        raise ValueError("it is of another than one or two dimensions")
    # A convolution of rows is one of images of a single row.
    call.walk.dilated[call.operator.outputs[0]] = (1, *block)[-2:]
    return _padded(call, pads)


def _padded(call: Call, pads: windows.Pads) -> Value:
    """Images or rows with zeros around them; of fewer than none, without their edges."""
    if len(pads) == 2:
        return ordered(windows.padded(call.value(0).channels_first(), pads))
    [(before, after)] = pads
    return Value(F.pad(call.value(0).last(), (0, 0, before, after)))


@computes("BATCH_TO_SPACE_ND")
def batch_to_space(call: Call) -> Value:
    """Compute TFLite's `BATCH_TO_SPACE_ND`."""
    if call.operator.inputs[0] not in call.walk.dilated:
        raise ValueError("it follows no SPACE_TO_BATCH_ND")
    crops = call.host(2)
    cuts = [(-int(crops[n]), -int(crops[n + 1])) for n in range(0, len(crops), 2)]
    return _padded(call, cuts)
