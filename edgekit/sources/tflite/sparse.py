"""Sparsely stored constants of a TFLite file, written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_DENSE = 0
_VECTORS = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}


def dense(sparsity: Any, values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The tensor whose values at the places of `sparsity` are given, all others 0.

    Raises ValueError for what is of another form than dimensions that are dense or compressed,
    with or without blocks.
    """
    order = [int(n) for n in sparsity.TraversalOrderAsNumpy()]
    blocks = (
        [int(n) for n in sparsity.BlockMapAsNumpy()]
        if sparsity.BlockMapLength()
        else []
    )
    rank = len(shape)
    if sorted(order) != list(range(rank + len(blocks))):
        raise ValueError("a sparse constant in it has an order of other dimensions")
    levels = [sparsity.DimMetadata(n) for n in range(sparsity.DimMetadataLength())]
    if len(levels) != len(order):
        raise ValueError("a sparse constant in it has other dimensions than its shape")
    places = _places(levels, values.size)
    blocked = dict(zip(blocks, range(rank, rank + len(blocks)), strict=True))
    sizes = {rank + n: _size(levels[order.index(rank + n)]) for n in range(len(blocks))}
    found = np.zeros(shape, values.dtype)
    by_dimension = {dim: places[:, level] for level, dim in enumerate(order)}
    index = tuple(
        by_dimension[dim] * sizes[blocked[dim]] + by_dimension[blocked[dim]]
        if dim in blocked
        else by_dimension[dim]
        for dim in range(rank)
    )
    found[index] = values[: len(places)]
    return found


def _size(level: Any) -> int:
    if level.Format() != _DENSE:
        raise ValueError("a sparse constant in it has blocks that are not dense")
    return int(level.DenseSize())


def _places(levels: Sequence[Any], count: int) -> np.ndarray:
    """The index along each level of every stored value, in order."""
    places = np.zeros((1, 0), np.int64)
    for level in levels:
        if level.Format() == _DENSE:
            size = int(level.DenseSize())
            if not 0 < size * len(places) <= max(count, 1) * 65536:
                raise ValueError("a sparse constant in it is larger than its values")
            inner = np.tile(np.arange(size), len(places))[:, None]
            places = np.hstack([np.repeat(places, size, axis=0), inner])
        else:
            segments, indices = (
                _vector(level, "ArraySegments"),
                _vector(level, "ArrayIndices"),
            )
            if len(segments) != len(places) + 1 or segments[-1] != len(indices):
                raise ValueError("a sparse constant in it has other segments than rows")
            counts = np.diff(segments)
            if (counts < 0).any():
                raise ValueError("a sparse constant in it has segments that go back")
            places = np.hstack([np.repeat(places, counts, axis=0), indices[:, None]])
    if len(places) > count:
        raise ValueError("a sparse constant in it has fewer values than places")
    return places


def _vector(level: Any, name: str) -> np.ndarray:
    from ai_edge_litert import schema_py_generated as schema

    kind = _VECTORS.get(getattr(level, f"{name}Type")())
    table = getattr(level, name)()
    if kind is None or table is None:
        raise ValueError("a sparse constant in it lacks its indices")
    found = getattr(schema, kind)()
    found.Init(table.Bytes, table.Pos)
    return np.asarray(found.ValuesAsNumpy(), np.int64)
