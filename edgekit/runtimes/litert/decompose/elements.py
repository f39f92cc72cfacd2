"""Arithmetic, orders and indices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from edgekit.runtimes.litert.decompose.data import constant

aten = torch.ops.aten


def rrelu(
    x: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *_: Any,
) -> Any:
    """Not in training its slope is the mean of both."""
    return NotImplemented if training else aten.leaky_relu(x, (lower + upper) / 2)


def one_hot(x: Tensor, classes: int = -1) -> Any:
    """By comparison, without the operator's check of the values."""
    if classes < 0:
        return NotImplemented
    return (x.unsqueeze(-1) == torch.arange(classes)).to(torch.int64)


def expand(x: Tensor, size: Any, *_: Any, implicit: bool = False) -> Any:
    """Of images: by an addition of zeros, which the converter drops again.

    Where it computes channels last it takes the expanded tensor for one that is channels first.
    """
    sizes = tuple(size.shape if isinstance(size, Tensor) else size)
    if x.dim() != 4 or len(sizes) != 4 or not x.dtype.is_floating_point:
        return NotImplemented
    full = [old if new == -1 else new for old, new in zip(x.shape, sizes, strict=True)]
    return x if full == [*x.shape] else x + torch.zeros(full, dtype=x.dtype)


def add(x: Any, y: Any, *, alpha: float = 1) -> Any:
    """`add` with a factor, as a product and a sum."""
    return NotImplemented if alpha == 1 else x + y * alpha


def floor_divide(x: Tensor, y: Any, *, rounding_mode: str | None = "floor") -> Any:
    """Of floats: what the remainder leaves, divided without one."""
    if rounding_mode != "floor" or not x.dtype.is_floating_point:
        return NotImplemented
    return torch.floor((x - torch.remainder(x, y)) / y + 0.5)


def fmax(x: Tensor, y: Tensor) -> Tensor:
    """A NaN beside a number does not count."""
    largest = torch.maximum(x, y)
    return torch.where(x != x, y, torch.where(y != y, x, largest))


def fmin(x: Tensor, y: Tensor) -> Tensor:
    """`fmin`, by `fmax` of the negatives."""
    return -fmax(-x, -y)


def exclusive(x: Tensor, y: Tensor) -> Any:
    """Either of two truths and not both: they differ."""
    return NotImplemented if x.dtype != torch.bool else x != y


def scanned(
    combine: Callable[[Tensor, Tensor], Tensor], start: float, x: Tensor, dim: int
) -> Tensor:
    """All beginnings of a dimension combined, in as many steps as its length has bits."""
    step, length = 1, x.shape[dim]
    while step < length:
        before = torch.full_like(x.narrow(dim, 0, step), start)
        x = combine(x, torch.cat([before, x.narrow(dim, 0, length - step)], dim))
        step *= 2
    return x


def cumprod(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """`cumprod`, by a scan."""
    return scanned(torch.mul, 1.0, x if dtype is None else x.to(dtype), dim)


def cummax(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The places are left to the format."""
    values = scanned(torch.maximum, float("-inf"), x, dim)
    return values, aten.cummax.default(x, dim)[1]


def cummin(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """`cummin`, by a scan; values and indices."""
    values = scanned(torch.minimum, float("inf"), x, dim)
    return values, aten.cummin.default(x, dim)[1]


def sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    """All of them as the largest, or the smallest; values by place, or a sort is made of it."""
    places = torch.topk(x, x.shape[dim], dim, largest=descending, sorted=True)[1]
    return x.gather(dim, places), places


def sort_stable(
    x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> Any:
    """`sort.stable`, by `sort`."""
    return NotImplemented if stable else sort(x, dim, descending)


def argsort(x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """`argsort`, by `sort`."""
    return sort(x, dim, descending)[1]


def kthvalue(
    x: Tensor, k: int, dim: int = -1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """`kthvalue`, by `sort`."""
    found = [part.narrow(dim, k - 1, 1) for part in sort(x, dim)]
    values, places = found if keepdim else [part.squeeze(dim) for part in found]
    return values, places


def median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Of an even number the lower one."""
    return kthvalue(x, (x.shape[dim] + 1) // 2, dim, keepdim)


def bucketize(
    x: Tensor, edges: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Number of edges below each number."""
    beyond = x.unsqueeze(-1) >= edges if right else x.unsqueeze(-1) > edges
    return beyond.to(torch.int32 if out_int32 else torch.int64).sum(-1)


def index_add(
    x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A product with the matrix that maps rows of the source."""
    where = (index.unsqueeze(-1) == torch.arange(x.shape[dim])).to(x.dtype)
    added = (source.movedim(dim, -1) @ where).movedim(-1, dim)
    return x + added * alpha


def scatter_add(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Any:
    """Every element of the source beside every place, and only its own place counted."""
    source = source[tuple(slice(n) for n in index.shape)].movedim(dim, -1)
    shape = [n for d, n in enumerate(x.shape) if d != dim % x.dim()]
    if shape != list(source.shape[:-1]):
        return NotImplemented
    where = index.movedim(dim, -1).unsqueeze(-1) == torch.arange(x.shape[dim])
    added = (source.unsqueeze(-1) * where.to(x.dtype)).sum(-2)
    return x + added.movedim(-1, dim)


def index_fill(x: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """`index_fill`, by a mask of the indices."""
    hit = (torch.arange(x.shape[dim]).unsqueeze(-1) == index).any(-1)
    return x.masked_fill(hit.reshape(-1, *[1] * (x.dim() - dim % x.dim() - 1)), value)


def eye(*sizes: int, **_: Any) -> Tensor:
    """`eye` as a constant."""
    return constant(partial(torch.eye, *sizes))


def repeat_interleave_of_one(
    x: Tensor, count: int, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """litert-converter 0.5.0 repeats a lone key-value head wrongly, and a cut can leave one."""
    if dim is None or x.shape[dim] != 1:
        return NotImplemented
    return torch.cat([x] * count, dim)
