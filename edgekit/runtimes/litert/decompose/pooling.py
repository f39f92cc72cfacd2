"""Pooling, dimension by dimension or window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from edgekit.runtimes.litert.decompose.data import constant, each

aten = torch.ops.aten


def adaptive_max_pool(x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Values and places, the last dimension first: of equals the first in memory is taken."""
    first = x.dim() - len(sizes)
    shape = x.shape[first:]
    places = torch.arange(math.prod(shape)).reshape(shape).expand_as(x)
    for dim, size in reversed(list(enumerate(sizes, start=first))):
        parts, where = [], []
        for start, stop in _cells(x.shape[dim], size):
            part = x.narrow(dim, start, stop - start)
            best = part.argmax(dim, keepdim=True)
            parts.append(part.amax(dim, keepdim=True))
            where.append(places.narrow(dim, start, stop - start).gather(dim, best))
        x, places = torch.cat(parts, dim), torch.cat(where, dim)
    return x, places


def adaptive_avg_pool(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Dimension after dimension: a cell is a box, and its mean that of its rows' means."""
    for dim, size in enumerate(sizes, start=x.dim() - len(sizes)):
        cells = _cells(x.shape[dim], size)
        means = [x.narrow(dim, a, b - a).mean(dim, keepdim=True) for a, b in cells]
        x = torch.cat(means, dim)
    return x


def _cells(length: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` cells of adaptive pooling begins and ends."""
    return [
        (number * length // count, -(-(number + 1) * length // count))
        for number in range(count)
    ]


def max_pool_with_indices(
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The values as they are, and the indices from the windows' elements side by side."""
    pool = (
        aten.max_pool2d_with_indices
        if len(kernel) == 2
        else aten.max_pool3d_with_indices
    )
    rank = len(kernel)
    kernel, padding, dilation = (each(v, rank) for v in (kernel, padding, dilation))
    stride = each(stride, rank) if stride else kernel
    values = pool.default(x, kernel, stride, padding, dilation, ceil_mode)[0]
    outputs = values.shape[-rank:]
    padded, margins = x, []
    for dim in reversed(range(rank)):
        reach = (outputs[dim] - 1) * stride[dim] + (kernel[dim] - 1) * dilation[dim] + 1
        margins += [padding[dim], max(0, reach - padding[dim] - x.shape[dim - rank])]
    padded = torch.constant_pad_nd(x, margins, float("-inf"))
    elements, place = [], torch.zeros(outputs, dtype=torch.int64)
    for offset in torch.cartesian_prod(*(torch.arange(k) for k in kernel)).tolist():
        part = padded
        for dim in range(rank):
            start = offset[dim] * dilation[dim]
            stop = start + (outputs[dim] - 1) * stride[dim] + 1
            part = aten.slice.Tensor(part, dim - rank, start, stop, stride[dim])
        elements.append(part)
    best = torch.stack(elements, -1).argmax(-1)
    for dim in range(rank):
        inner = math.prod(kernel[dim + 1 :])
        offset_in = (best // inner) % kernel[dim] * dilation[dim] - padding[dim]
        starts = torch.arange(outputs[dim]) * stride[dim]
        position = offset_in + starts.reshape(-1, *[1] * (rank - dim - 1))
        place = place * x.shape[dim - rank] + position
    return values, place


def avg_pool_ceil(  # noqa: PLR0913 - the operator's own arguments
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Any:
    """Sums of whole windows over the sizes that the last ones, which hang over, count with."""
    if not ceil_mode:
        return NotImplemented
    rank = len(kernel)
    kernel, padding = each(kernel, rank), each(padding, rank)
    stride = each(stride, rank) if stride else kernel
    margins: list[int] = []
    sizes = torch.ones(())
    for dim in range(rank):
        n, k, s, p = x.shape[dim - rank], kernel[dim], stride[dim], padding[dim]
        count = -(-(n + 2 * p - k) // s) + 1
        count -= (count - 1) * s >= n + p
        margins = [p, max(0, (count - 1) * s + k - n - p), *margins]
        starts = [number * s - p for number in range(count)]
        stops = [min(start + k, n + p) for start in starts]
        if not count_include_pad:
            starts = [max(start, 0) for start in starts]
            stops = [min(stop, n) for stop in stops]
        own = [float(b - a) for a, b in zip(starts, stops, strict=True)]
        sizes = sizes.unsqueeze(-1) * constant(partial(torch.tensor, own))
    sums = _avg_pool(rank)(torch.constant_pad_nd(x, margins), kernel, stride)
    sums = sums * float(math.prod(kernel))
    return sums / (sizes if divisor is None else float(divisor))


def _avg_pool(rank: int) -> Callable[..., Tensor]:
    return {1: aten.avg_pool1d, 2: aten.avg_pool2d, 3: aten.avg_pool3d}[rank].default


def over_image(
    reduce: Any,
    x: Tensor,
    dims: Sequence[int] | None,
    keepdim: bool = False,
    **how: Any,
) -> Any:
    """Over height and width, which stay as dimensions of size one until the end.

    The converter turns an image back to channels first where a reduction drops them.
    """
    if keepdim or x.dim() != 4 or {dim % 4 for dim in dims or ()} != {2, 3}:
        return NotImplemented
    return reduce(x, dims, True, **how).reshape(x.shape[:2])
