"""Attention and layer norm, as the chains of nodes that a network's export has of them.

In int8 ONNX Runtime's own quantizer puts every tensor in 8 bits (`embedded` models). OpenVINO's
leaves what lies between layers in floating point, but for what the product of queries and keys
reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.runtimes.onnxruntime.operator_graph import OperatorGraph
from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    head_widths,
    rows_shape,
)
from edgekit.types.operator_shape import OperatorShape

Shape = tuple[int, ...]
_WEIGHT_SCALE = 1 / 127
"""Step of what a softmax gives, from 0 to 1."""


def add(
    graph: OperatorGraph, operator: OperatorShape, *, quantize: bool, embedded: bool
) -> Shape:
    """Add the nodes from `x` to `y`; returns the input's shape.

    Attention maps (1, positions, features) as one layer gives them, those of all queries, keys
    and values, to (1, queries, features of all values); layer norm maps (1, rows, features).
    """
    kind: Any = np.uint8 if embedded else np.int8
    chain = _Chain(graph, kind, quantize=quantize, inside=embedded)
    rounds = quantize and embedded
    source = graph.dequantized("x", INPUT_SCALE, kind) if rounds else "x"
    made = KINDS[operator.kind](chain, operator, source)
    if quantize:
        scale = graph.scale(np.float32(OUTPUT_SCALE), kind)
        graph.node("QuantizeLinear", [made, *scale], "y")
    else:
        graph.node("Identity", [made], "y")
    return rows_shape(operator)


class _Chain:
    """Nodes, each with 8-bit outputs where what lies `inside` is quantized."""

    def __init__(
        self, graph: OperatorGraph, kind: Any, *, quantize: bool, inside: bool
    ) -> None:
        self._graph, self._kind = graph, kind
        self._quantize, self._rounds = quantize, quantize and inside

    def node(
        self,
        kind: str,
        sources: list[str],
        scale: float = OUTPUT_SCALE,
        **attributes: Any,
    ) -> str:
        """Add a node; returns the name of its output, rounded to 8 bits where others are."""
        graph = self._graph
        made = graph.node(kind, sources, f"n{len(graph.nodes)}", **attributes)
        return self.rounded(made, scale)

    def rounded(
        self, name: str, scale: float = OUTPUT_SCALE, *, product: bool = False
    ) -> str:
        """The values in 8 bits and back, where what lies inside is quantized, or what a `product`
        of two of them reads, which both quantizers put in 8 bits."""
        if not (self._rounds or (product and self._quantize)):
            return name
        graph = self._graph
        ends = graph.scale(np.float32(scale), self._kind)
        stored = graph.node("QuantizeLinear", [name, *ends], f"{name}_stored")
        return graph.dequantized(stored, scale, self._kind)

    def product(self, source: str, factor: str) -> str:
        """The values times a factor, rounded where a product of matrices reads them."""
        graph = self._graph
        made = graph.node("Mul", [source, factor], f"n{len(graph.nodes)}")
        return self.rounded(made, INPUT_SCALE, product=True)

    def split(self, source: str, sizes: tuple[int, ...]) -> list[str]:
        """Parts of the last dimension, of these sizes."""
        found, first = [], 0
        for size in sizes:
            found.append(self.slice(source, 2, first, first + size, INPUT_SCALE))
            first += size
        return found

    def slice(self, source: str, axis: int, first: int, end: int, scale: float) -> str:
        """The part of a dimension between two positions."""
        ends = [self.whole(number) for number in (first, end, axis)]
        return self.node("Slice", [source, *ends], scale)

    def whole(self, *numbers: int) -> str:
        """The name of a constant of whole numbers."""
        return self._graph.constant(np.array(numbers, np.int64))

    def ones(self, count: int) -> str:
        """The name of a constant of ones."""
        return self._graph.constant(np.ones(count, np.float32))

    def real(self, number: float) -> str:
        """The name of a constant, in 8 bits and back where others are."""
        graph = self._graph
        if not self._rounds:
            return graph.constant(np.array(number, np.float32))
        middle = 128 if self._kind is np.uint8 else 0
        stored = graph.constant(np.array(middle + 100, self._kind))
        return graph.dequantized(stored, number / 100, self._kind)


def _attention(chain: _Chain, operator: OperatorShape, source: str) -> str:
    heads, (queries, keys) = operator.groups, operator.size
    wide, given = head_widths(operator)
    lengths, widths = (queries, keys, keys), (wide, wide, given)
    turned: list[str] = []
    parts = chain.split(source, tuple(heads * width for width in widths))
    for part, length, width in zip(parts, lengths, widths, strict=True):
        if length < max(operator.size):
            part = chain.slice(part, 1, 0, length, INPUT_SCALE)
        shape = chain.whole(1, length, heads, width)
        apart = chain.node("Reshape", [part, shape], INPUT_SCALE)
        turned.append(chain.node("Transpose", [apart], INPUT_SCALE, perm=(0, 2, 1, 3)))
    query, key, value = turned
    # In two steps, as exports do.
    key = chain.node("Reshape", [key, chain.whole(heads, keys, wide)], INPUT_SCALE)
    key = chain.node("Transpose", [key], INPUT_SCALE, perm=(0, 2, 1))
    key = chain.node("Reshape", [key, chain.whole(1, heads, wide, keys)], INPUT_SCALE)
    scale = chain.real(1 / math.sqrt(math.sqrt(wide)))
    query, key = (chain.product(one, scale) for one in (query, key))
    scores = chain.node("MatMul", [query, key])
    weights = chain.node("Softmax", [scores], _WEIGHT_SCALE, axis=-1)
    mixed = chain.node("MatMul", [weights, value])
    joined = chain.node("Transpose", [mixed], perm=(0, 2, 1, 3))
    return chain.node("Reshape", [joined, chain.whole(1, queries, heads * given)])


def _layer_norm(chain: _Chain, operator: OperatorShape, source: str) -> str:
    weight = chain.ones(operator.inputs)
    return chain.node("LayerNormalization", [source, weight], axis=-1)


Build = Callable[[_Chain, OperatorShape, str], str]
KINDS: dict[str, Build] = {"attention": _attention, "layer_norm": _layer_norm}
"""The function that builds a kind's chain."""
