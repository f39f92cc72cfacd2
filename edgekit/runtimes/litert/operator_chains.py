"""Operators that TFLite has no single one for, as the chains that a network's export has of them.

Both compute in floating point in an int8 model too, as exports leave them: static int8 of networks
with attention is of layers with weights alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.runtimes.litert.operator_graph import OperatorGraph
from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    head_widths,
    rows_shape,
)
from edgekit.types.operator_shape import OperatorShape

Shape = tuple[int, ...]
_EPSILON = 1e-5


def add(graph: OperatorGraph, operator: OperatorShape, *, quantize: bool) -> int:
    """Add the operator's chain, its input first; returns its output's number.

    Attention takes (1, positions, features of all queries, keys and values) as one layer gives
    them, and gives (1, queries, features); layer norm maps (1, rows, features). `quantize` is for
    8-bit ends, where a layer in int8 lies: on both sides of attention, behind a norm.
    """
    chain = _Chain(graph)
    given = rows_shape(operator)
    ends = quantize and operator.kind == "attention"
    source = graph.tensor(given, scale=INPUT_SCALE if ends else None)
    if ends:
        source = chain.step("DEQUANTIZE", [source], given)
    made, made_shape = KINDS[operator.kind](chain, operator, source)
    if quantize:
        out = graph.tensor(made_shape, scale=OUTPUT_SCALE)
        graph.step(graph.schema.BuiltinOperator.QUANTIZE, [made], out)
        made = out
    return made


class _Chain:
    """Operators by the schema's names, on floating-point tensors."""

    def __init__(self, graph: OperatorGraph) -> None:
        self._graph, self._schema = graph, graph.schema

    def step(
        self, name: str, sources: list[int], shape: Shape, **options: object
    ) -> int:
        """Add an operator; returns its output's number."""
        schema, made = self._schema, self._graph.tensor(shape)
        kind = _OPTIONS.get(name)
        given: tuple[int, Any] = (0, None)
        if kind is not None:
            record = getattr(schema, f"{kind}T")()
            for field, value in options.items():
                setattr(record, field, value)
            given = getattr(schema.BuiltinOptions, kind), record
        code = getattr(schema.BuiltinOperator, name)
        self._graph.step(code, sources, made, given)
        return made

    def whole(self, *numbers: int) -> int:
        """The number of a constant of whole numbers."""
        value = np.array(numbers, np.int32)
        return self._graph.tensor(value.shape, value)

    def real(self, value: float) -> int:
        """The number of a constant."""
        return self._graph.tensor((), np.array(value, np.float32))

    def reshape(self, source: int, shape: Shape) -> int:
        """The same values in another shape."""
        return self.step("RESHAPE", [source, self.whole(*shape)], shape, newShape=shape)

    def transpose(self, source: int, order: Shape, shape: Shape) -> int:
        """Dimensions in another order; `shape` is that of the result."""
        return self.step("TRANSPOSE", [source, self.whole(*order)], shape)

    def mean(self, source: int, axis: int, shape: Shape) -> int:
        """The mean over an axis; `shape` is that of the result."""
        return self.step("MEAN", [source, self.whole(axis)], shape, keepDims=False)


def _attention(
    chain: _Chain, operator: OperatorShape, source: int
) -> tuple[int, Shape]:
    heads, (queries, keys) = operator.groups, operator.size
    wide, given = head_widths(operator)
    scale = 1 / math.sqrt(math.sqrt(wide))

    def part(first: int, length: int, width: int) -> int:
        features = heads * width
        begin, size = chain.whole(0, 0, first), chain.whole(1, length, features)
        return chain.step("SLICE", [source, begin, size], (1, length, features))

    def by_head(value: int, length: int, width: int, *, turned: bool = False) -> int:
        order = (0, 2, 3, 1) if turned else (0, 2, 1, 3)
        shape = (width, length) if turned else (length, width)
        apart = chain.reshape(value, (1, length, heads, width))
        by_first = chain.transpose(apart, order, (1, heads, *shape))
        return chain.reshape(by_first, (heads, *shape))

    def scaled(value: int, length: int) -> int:
        shape = (1, length, heads * wide)
        return chain.step("MUL", [value, chain.real(scale)], shape)

    query = by_head(scaled(part(0, queries, wide), queries), queries, wide)
    key = scaled(part(heads * wide, keys, wide), keys)
    key = by_head(key, keys, wide, turned=True)
    value = by_head(part(2 * heads * wide, keys, given), keys, given)
    scores = chain.step("BATCH_MATMUL", [query, key], (heads, queries, keys))
    four = (1, heads, queries, keys)
    weights = chain.step("SOFTMAX", [chain.reshape(scores, four)], four, beta=1.0)
    weights = chain.reshape(weights, (heads, queries, keys))
    mixed = chain.step("BATCH_MATMUL", [weights, value], (heads, queries, given))
    apart = chain.reshape(mixed, (1, heads, queries, given))
    joined = (1, queries, heads, given)
    turned = chain.transpose(apart, (0, 2, 1, 3), joined)
    made = (1, queries, heads * given)
    return chain.reshape(turned, made), made


def _layer_norm(
    chain: _Chain, operator: OperatorShape, source: int
) -> tuple[int, Shape]:
    shape = rows_shape(operator)
    rows, one_each = (shape[1],), (1, shape[1], 1)
    mean = chain.mean(source, 2, rows)
    wide = chain.reshape(mean, one_each)
    apart = chain.step("SQUARED_DIFFERENCE", [source, wide], shape)
    variance = chain.mean(apart, 2, rows)
    variance = chain.step("ADD", [variance, chain.real(_EPSILON)], rows)
    inverse = chain.step("RSQRT", [variance], rows)
    shift = chain.step("MUL", [mean, inverse], rows)
    shift = chain.step("SUB", [chain.real(0.0), shift], rows)
    made = chain.step("MUL", [source, chain.reshape(inverse, one_each)], shape)
    return chain.step("ADD", [made, chain.reshape(shift, one_each)], shape), shape


_OPTIONS = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "SLICE": "SliceOptions",
    "RESHAPE": "ReshapeOptions",
    "TRANSPOSE": "TransposeOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "SOFTMAX": "SoftmaxOptions",
    "MEAN": "ReducerOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
}
Build = Callable[[_Chain, OperatorShape, int], tuple[int, Shape]]
KINDS: dict[str, Build] = {"attention": _attention, "layer_norm": _layer_norm}
"""The function that builds a kind's chain."""
