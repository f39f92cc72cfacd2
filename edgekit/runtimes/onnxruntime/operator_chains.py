"""Attention and layer norm, as the chains of nodes that a network's export has of them.

In int8 ONNX Runtime's own quantizer puts every tensor in 8 bits (`embedded` models); OpenVINO's
leaves what lies between layers in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.runtimes.onnxruntime.operator_graph import OperatorGraph
from edgekit.runtimes.weights import INPUT_SCALE, OUTPUT_SCALE
from edgekit.types.operator_shape import OperatorShape

Shape = tuple[int, ...]
_WEIGHT_SCALE = 1 / 127
"""Step of what a softmax gives, from 0 to 1."""


def add(
    graph: OperatorGraph, operator: OperatorShape, *, quantize: bool, embedded: bool
) -> Shape:
    """Add the nodes from `x` to `y`; returns the input's shape.

    Attention takes (1, positions, features of all queries, keys and values) as one layer gives
    them, and gives (1, queries, features); layer norm maps (1, rows, features).
    """
    kind: Any = np.uint8 if embedded else np.int8
    chain = _Chain(graph, kind, quantize=quantize, inside=embedded)
    build, shape = KINDS[operator.kind]
    source = graph.dequantized("x", INPUT_SCALE, kind) if quantize else "x"
    made = build(chain, operator, source)
    if quantize:
        scale = graph.scale(np.float32(OUTPUT_SCALE), kind)
        graph.node("QuantizeLinear", [made, *scale], "y")
    else:
        graph.node("Identity", [made], "y")
    return shape(operator)


class _Chain:
    """Nodes, each with 8-bit outputs where what lies `inside` is quantized."""

    def __init__(
        self, graph: OperatorGraph, kind: Any, *, quantize: bool, inside: bool
    ) -> None:
        self._graph, self._kind = graph, kind
        self._rounds = quantize and inside

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

    def rounded(self, name: str, scale: float = OUTPUT_SCALE) -> str:
        """The values in 8 bits and back, where what lies inside is quantized."""
        if not self._rounds:
            return name
        graph = self._graph
        ends = graph.scale(np.float32(scale), self._kind)
        stored = graph.node("QuantizeLinear", [name, *ends], f"{name}_stored")
        return graph.dequantized(stored, scale, self._kind)

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

    def real(self, *numbers: float) -> str:
        """The name of a constant."""
        return self._graph.constant(np.array(numbers, np.float32))


def _attention_shape(operator: OperatorShape) -> Shape:
    features = operator.groups * (2 * operator.inputs + operator.outputs)
    return 1, max(operator.size), features


def _attention(chain: _Chain, operator: OperatorShape, source: str) -> str:
    heads, (queries, keys) = operator.groups, operator.size
    longest, wide, given = max(operator.size), operator.inputs, operator.outputs
    parts = chain.split(source, (heads * wide, heads * wide, heads * given))
    lengths, widths = (queries, keys, keys), (wide, wide, given)
    turned: list[str] = []
    for part, length, width in zip(parts, lengths, widths, strict=True):
        if length < longest:
            part = chain.slice(part, 1, 0, length, INPUT_SCALE)
        shape = chain.whole(1, length, heads, width)
        apart = chain.node("Reshape", [part, shape], INPUT_SCALE)
        order = (0, 2, 3, 1) if len(turned) == 1 else (0, 2, 1, 3)
        turned.append(chain.node("Transpose", [apart], INPUT_SCALE, perm=order))
    scale = chain.real(1 / math.sqrt(math.sqrt(wide)))
    query, key = (chain.node("Mul", [one, scale], INPUT_SCALE) for one in turned[:2])
    scores = chain.node("MatMul", [query, key])
    weights = chain.node("Softmax", [scores], _WEIGHT_SCALE, axis=-1)
    mixed = chain.node("MatMul", [weights, turned[2]])
    joined = chain.node("Transpose", [mixed], perm=(0, 2, 1, 3))
    return chain.node("Reshape", [joined, chain.whole(1, queries, heads * given)])


def _norm_shape(operator: OperatorShape) -> Shape:
    return 1, math.prod(operator.size), operator.inputs


def _layer_norm(chain: _Chain, operator: OperatorShape, source: str) -> str:
    weight = chain.real(*np.ones(operator.inputs))
    return chain.node("LayerNormalization", [source, weight], axis=-1)


Build = Callable[[_Chain, OperatorShape, str], str]
KINDS: dict[str, tuple[Build, Callable[[OperatorShape], Shape]]] = {
    "attention": (_attention, _attention_shape),
    "layer_norm": (_layer_norm, _norm_shape),
}
"""The function that builds a kind's chain, and that of its input's shape."""
