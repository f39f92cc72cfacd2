"""Inputs of a softmax, sigmoid, tanh or argmax at the end of a file, as outputs."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

_SQUASHING = ("Softmax", "Sigmoid", "LogSoftmax", "Tanh", "HardSigmoid")
_CASTS = ("Identity", "Cast")
_VIEWS = (*_CASTS, "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")


def with_ends(
    model: onnx.ModelProto, outputs: Sequence[str], ends: Sequence[bool]
) -> tuple[onnx.ModelProto, list[str | None]]:
    """A copy with tensors for what the outputs marked in `ends` are squashed from.

    They go through what the file does with the squashed ones. The names of the outputs come
    first, then those of these tensors: `None` where the file has no squashing there.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    makers = {name: node for node in made.graph.node for name in node.output}
    marked = [name for name, end in zip(outputs, ends, strict=True) if end]
    return made, [*outputs, *(_end(made.graph, makers, name) for name in marked)]


def _end(
    graph: onnx.GraphProto, makers: dict[str, onnx.NodeProto], output: str
) -> str | None:
    node, views = makers.get(output), list[onnx.NodeProto]()
    while node is not None and node.op_type in _VIEWS:
        views.append(node)
        node = makers.get(node.input[0])
    if node is None or not _squashes(node, views):
        return None
    name = str(node.input[0])
    for view in reversed(views):
        again = graph.node.add()
        again.CopyFrom(view)
        again.name = ""
        again.input[0], again.output[0] = name, f"{view.output[0]}/of-{output}"
        name = str(again.output[0])
    return name


def _squashes(node: onnx.NodeProto, views: Sequence[onnx.NodeProto]) -> bool:
    if node.op_type == "ArgMax":
        last = any(a.name == "select_last_index" and a.i for a in node.attribute)
        return not last and all(view.op_type in _CASTS for view in views)
    return node.op_type in _SQUASHING
