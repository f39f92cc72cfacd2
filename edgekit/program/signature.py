"""A graph in lines of text that describe its computation, whatever its operators' names are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx


def lines(module: fx.GraphModule) -> Iterator[str]:
    """One for each operator and for the outputs, branches of control flow after their network.

    An operator has its schema's arguments in order, with the defaults of those that were left
    out: exporters write them or not. Its inputs are named by their numbers, parameters by their
    own names.
    """
    for name, inner in module.named_modules():
        if isinstance(inner, fx.GraphModule):
            yield f"graph {name}"
            yield from _graph(inner.graph)


def _graph(graph: fx.Graph) -> Iterator[str]:
    known: dict[fx.Node, str] = {}
    inputs = operators = 0
    for node in graph.nodes:
        if node.op == "get_attr":
            known[node] = f"%{node.target}"
        elif node.op == "placeholder":
            known[node] = f"%input {inputs}"
            inputs += 1
        else:
            yield f"{_called(node.target)}{_text(_arguments(node), known)}"
            known[node] = f"%{operators}"
            operators += 1


def _called(target: Any) -> str:
    """The operator's name; a plain function's own text would have its address."""
    if isinstance(target, (str, torch._ops.OperatorBase)):
        return str(target)
    return f"{target.__module__}.{target.__qualname__}"


def _arguments(node: fx.Node) -> list[Any]:
    if not isinstance(node.target, torch._ops.OpOverload):
        return [node.args, dict(node.kwargs)]
    return [
        node.args[place]
        if place < len(node.args)
        else node.kwargs.get(one.name, one.default_value)
        for place, one in enumerate(node.target._schema.arguments)
    ]


def _text(value: Any, known: dict[fx.Node, str]) -> str:
    if isinstance(value, fx.Node):
        return known[value]
    if isinstance(value, dict):
        inner = (f"{key}={_text(one, known)}" for key, one in sorted(value.items()))
        return f"({', '.join(inner)})"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_text(one, known) for one in value)})"
    return repr(value)
