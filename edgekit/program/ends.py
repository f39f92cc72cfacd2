"""Inputs of a softmax, sigmoid, tanh or argmax at the end of a network, as outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx
from torch.fx.graph import CodeGen

from edgekit.program.program import Program, duplicate

aten = torch.ops.aten

_SQUASHING = ("softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid", "tanh",
              "hardsigmoid")  # fmt: skip
"""They keep the shape."""
_LARGEST = "argmax"
_CASTS = ("to", "_to_copy", "clone", "contiguous", "alias")
_VIEWS = (*_CASTS, "view", "reshape", "permute", "transpose", "flatten", "squeeze", "unsqueeze",
          "movedim", "unflatten")  # fmt: skip

_LOGARITHMS = {
    aten.softmax.int: aten.log_softmax.int,
    aten._softmax.default: aten._log_softmax.default,
}
"""Softmax, and the same to its logarithm."""
_INDEPENDENT = {aten.sigmoid.default: aten.alias.default}
"""Sigmoid, and what keeps its logit."""


def in_logarithms(program: Program, *, independent: bool = False) -> Program:
    """The program over the same parameters, with logarithms where its output is probabilities.

    Logarithms of a softmax are logits up to a constant: losses of logits and their gradients are
    those of the network without it. The logits themselves where probabilities are `independent`,
    those of a sigmoid. `program` itself where its only output, or the one that the task reads, is
    something else.
    """
    ends = _INDEPENDENT if independent else _LOGARITHMS
    end = _probabilities(program, ends)
    if end is None:
        return program
    graph, values = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(program.module.graph, values))
    graph.set_codegen(program.module.graph._codegen)
    values[end].target = ends[end.target]  # type: ignore[index]
    return replace(program, module=fx.GraphModule(program.module, graph))


def _probabilities(program: Program, ends: Mapping[Any, Any]) -> fx.Node | None:
    """The operator of `ends` that the output is, through views."""
    [end] = program.module.graph.find_nodes(op="output")
    outputs: list[fx.Node] = []
    fx.map_arg(end.args[0], outputs.append)
    reads = program.reads or tuple(range(len(outputs)))
    if len(reads) != 1:
        return None
    node = outputs[reads[0]]
    while _name(node) in _VIEWS and len(node.users) == 1:
        node = node.args[0]  # type: ignore[assignment]
    return node if node.target in ends and len(node.users) == 1 else None


def with_ends(module: fx.GraphModule) -> tuple[fx.GraphModule, tuple[bool, ...]]:
    """A copy that returns its outputs in a row, then what the last squashing of those marked takes.

    Where the file reshapes what is squashed, so is what is returned of it: it lies as the output
    does. An argmax gives the scores that it picks from.
    """
    copied = duplicate(module)
    [end] = copied.graph.find_nodes(op="output")
    outputs: list[fx.Node] = []
    fx.map_arg(end.args[0], outputs.append)
    with copied.graph.inserting_before(end):
        found = [_end(copied.graph, node) for node in outputs]
    end.args = ((*outputs, *(node for node in found if node is not None)),)
    copied.graph.set_codegen(CodeGen())
    copied.recompile()
    return copied, tuple(node is not None for node in found)


def _end(graph: fx.Graph, output: fx.Node) -> fx.Node | None:
    """The squashed tensor behind an output, through the same views; `None` without one."""
    node, views = output, list[fx.Node]()
    while _name(node) in _VIEWS:
        views.append(node)
        node = node.args[0]  # type: ignore[assignment]
    if _name(node) == _LARGEST and all(_name(each) in _CASTS for each in views):
        return node.args[0]  # type: ignore[return-value]
    if _name(node) not in _SQUASHING:
        return None
    return _through(graph, node.args[0], node, views)  # type: ignore[arg-type]


def _through(
    graph: fx.Graph, taken: fx.Node, squashed: fx.Node, views: Sequence[fx.Node]
) -> fx.Node:
    """`taken` through `views`, the last of which is the first that `squashed` goes through."""
    made = {squashed: taken}
    for view in reversed(views):
        made[view] = graph.node_copy(view, lambda node: made.get(node, node))
    return made[views[0]] if views else taken


def _name(node: fx.Node) -> str:
    """The operator of a call of a tensor; empty for another node."""
    if (
        node.op != "call_function"
        or not node.args
        or not isinstance(node.args[0], fx.Node)
    ):
        return ""
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).rpartition(".")[2]
