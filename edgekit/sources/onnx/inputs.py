"""Limits of the whole-numbered inputs of a file."""

from __future__ import annotations

from edgekit.sources.onnx.graph import Graph
from edgekit.sources.onnx.signature import OnnxSignature

_PASSED_ON = ("Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten",
              "Transpose")  # fmt: skip


def limits(signature: OnnxSignature, graph: Graph) -> tuple[int, ...]:
    """Rows of the smallest table that each input picks from; 2 where it picks from none."""
    return tuple(_limit(graph, each.name) for each in signature.inputs)


def _limit(graph: Graph, name: str) -> int:
    names, found = {name}, []
    for node in graph.nodes:
        taken = [n for n, value in enumerate(node.inputs) if value in names]
        if node.kind == "Gather" and taken == [1] and node.inputs[0] in graph.constants:
            table = graph.constants[node.inputs[0]]
            found.append(table.shape[node.attributes.get("axis", 0)])
        elif taken and node.kind in _PASSED_ON and 0 in taken:
            names.update(node.outputs)
    return int(min(found, default=2))
