"""Images and signals of another size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from edgekit.runtimes.litert.decompose.data import constant

aten = torch.ops.aten


def nearest(
    op: Callable[..., Tensor],
    x: Tensor,
    sizes: Sequence[int] | None,
    scales: Sequence[float] | None = None,
) -> Any:
    """Rows by number, where the ratio is not a whole one: converters round it their own way."""
    shape = x.shape[2:]
    found = _sizes(shape, sizes, scales)
    whole = all(m % n == 0 for n, m in zip(shape, found, strict=True))
    if whole and not _uneven(shape, scales):
        return NotImplemented
    for dim, (n, m) in enumerate(zip(shape, found, strict=True)):
        matrix = constant(partial(_weights, op, len(shape), n, (m,), _one(scales, dim)))
        x = x.index_select(2 + dim, constant(partial(torch.argmax, matrix, 0)))
    return x


def resized(
    op: Callable[..., Tensor],
    always: bool,
    x: Tensor,
    sizes: Sequence[int] | None,
    align_corners: bool,
    scales: Sequence[float] | None = None,
) -> Any:
    """A product with constant weights for each dimension; by sizes alone only where `always`."""
    shape = x.shape[2:]
    if not always and not _uneven(shape, scales):
        return NotImplemented
    for dim, (n, m) in enumerate(zip(shape, _sizes(shape, sizes, scales), strict=True)):
        given = (m, align_corners)
        matrix = constant(
            partial(_weights, op, len(shape), n, given, _one(scales, dim))
        )
        x = (x.movedim(2 + dim, -1) @ matrix).movedim(-1, 2 + dim)
    return x


def _uneven(shape: Sequence[int], scales: Sequence[float] | None) -> bool:
    """Return whether sizes cut off a fraction, so that the ratio of sizes is not the scale."""
    return scales is not None and any(
        n * s != int(n * s) for n, s in zip(shape, scales, strict=True)
    )


def _sizes(
    shape: Sequence[int], sizes: Sequence[int] | None, scales: Sequence[float] | None
) -> list[int]:
    """The sizes that are given; else, as the operator's schema has it, by the scales."""
    if sizes is not None:
        return list(sizes)
    return [int(n * s) for n, s in zip(shape, scales or (), strict=True)]


def _one(scales: Sequence[float] | None, dim: int) -> float | None:
    return None if scales is None else scales[dim]


def _weights(
    op: Callable[..., Tensor], rank: int, n: int, given: Any, scale: float | None
) -> Tensor:
    """Results of `op` on each unit vector of n: (n, m)."""
    size, *rest = given
    ones = [1] * (rank - 1)
    line = torch.eye(n).reshape(1, n, *ones, n)
    if scale is None:
        out = op(line, [*ones, size], *rest, None)
    else:
        out = op(line, None, *rest, [*map(float, ones), scale])
    return out.reshape(n, size)
