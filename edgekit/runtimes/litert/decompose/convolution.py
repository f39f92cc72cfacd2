"""Convolutions that a converter places, divides or names its own way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from edgekit.runtimes.litert.decompose.data import constant, each

aten = torch.ops.aten


def transposed(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> Any:
    """Without padding, then cut to size: litert-converter 0.5.0 misplaces a stride's padding."""
    rank = x.dim() - 2
    stride, padding, output_padding, dilation = (
        each(value, rank) for value in (stride, padding, output_padding, dilation)
    )
    strided = max(stride) > 1 and (any(padding) or any(output_padding))
    kernel = weight.shape[2:]
    # As many times larger as the stride, and padded alike at both ends: TFLite's "same".
    same = rank == 2 and not any(output_padding) and max(dilation) == 1
    same &= all(k - s == 2 * p for k, s, p in zip(kernel, stride, padding, strict=True))
    if same or (not strided and (rank < 3 or max(stride) == 1)):
        return NotImplemented
    sizes = [
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, s, p, d, k, o in zip(
            *(x.shape[2:], stride, padding, dilation, kernel, output_padding),
            strict=True,
        )
    ]
    if rank < 3 and max(dilation) == 1:
        y = _TRANSPOSED[rank](x, weight, None, stride, [0], [0], groups)
    else:
        y = _by_zeros(x, weight, stride, groups, dilation)
    for dim, (size, p) in enumerate(zip(sizes, padding, strict=True), start=2):
        y = _aligned(y, dim, -p, size)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


_TRANSPOSED = {1: aten.conv_transpose1d.default, 2: aten.conv_transpose2d.input}


def _by_zeros(
    x: Tensor, weight: Tensor, stride: list[int], groups: int, dilation: list[int]
) -> Tensor:
    """A convolution with turned weights over the input with zeros between its elements."""
    rank, kernel = x.dim() - 2, weight.shape[2:]
    for dim, s in enumerate(stride, start=2):
        n = x.shape[dim]
        zeros = torch.zeros_like(x.unsqueeze(dim + 1)).repeat_interleave(s - 1, dim + 1)
        x = torch.cat([x.unsqueeze(dim + 1), zeros], dim + 1).flatten(dim, dim + 1)
        x = x.narrow(dim, 0, (n - 1) * s + 1)
    turned = weight.flip(list(range(2, weight.dim())))
    shape = weight.shape
    turned = turned.reshape(groups, shape[0] // groups, *shape[1:]).transpose(1, 2)
    turned = turned.flatten(0, 1)
    margin = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    plain = {1: aten.conv1d, 2: aten.conv2d, 3: aten.conv3d}[rank].default
    convolve: Callable[..., Any] = grouped if rank == 3 and groups > 1 else plain
    y: Tensor = convolve(x, turned, None, [1] * rank, margin, dilation, groups)
    return y


def _aligned(x: Tensor, dim: int, start: int, size: int) -> Tensor:
    """`size` elements of a dimension whose first lies at `start`, with zeros where it ends."""
    x = x.narrow(dim, -start, min(size, x.shape[dim] + start))
    if x.shape[dim] == size:
        return x
    margins = [0, 0] * (x.dim() - dim - 1) + [0, size - x.shape[dim]]
    return torch.constant_pad_nd(x, margins)


def padded_same(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: str = "valid",
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Any:
    """Padding by name as numbers; of an odd one the larger half is at the end."""
    dilation = each(dilation, 1)
    reach = dilation[0] * (weight.shape[2] - 1) if padding == "same" else 0
    x = torch.constant_pad_nd(x, [reach // 2, reach - reach // 2])
    return aten.conv1d.default(x, weight, bias, stride, [0], dilation, groups)


def grouped(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Any:
    """Each group by itself: TFLite convolves in three dimensions without groups."""
    if groups == 1:
        return NotImplemented
    parts = [
        aten.conv3d.default(part, own, None, stride, padding, dilation)
        for part, own in zip(x.chunk(groups, 1), weight.chunk(groups), strict=True)
    ]
    y = torch.cat(parts, 1)
    return y if bias is None else y + bias.reshape(-1, 1, 1, 1)


def fold(
    x: Tensor,
    size: Sequence[int],
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """Columns back to an image: each writes one element of its window, and all are added."""
    area = math.prod(kernel)
    shape = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size, padding, dilation, kernel, stride, strict=True)
    ]
    channels = x.shape[-2] // area
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]

    def windows() -> Tensor:
        one = torch.eye(area).reshape(area, 1, *kernel)
        weights = torch.zeros(area, 1, *reach)
        weights[:, :, :: dilation[0], :: dilation[1]] = one
        return weights.repeat(channels, 1, 1, 1)

    x = x.reshape(-1, channels * area, *shape)
    weight = constant(windows)
    y: Tensor = aten.conv_transpose2d.input(x, weight, None, stride, [0], [0], channels)
    for dim, (n, p) in enumerate(zip(size, padding, strict=True), start=2):
        y = _aligned(y, dim, -p, n)
    return y


def bilinear(
    x: Tensor, y: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Every pair of features by its weight, summed."""
    products = x[..., None, :, None] * weight * y[..., None, None, :]
    found = products.sum((-2, -1))
    return found if bias is None else found + bias
