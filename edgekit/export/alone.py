"""Every operator of a network as a network of its own, to see which one a format cannot hold."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from edgekit.program.program import Program
from edgekit.types import InputSpec

aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True, eq=False)
class Alone:
    """One operator with what it is given for one sample."""

    node: fx.Node
    program: Program


def operators(program: Program, failure: str = "") -> list[Alone]:
    """One of each kind: by operator, shapes and constants. Those that `failure` names are first."""
    recorder = _Recorder(program.copy().module)
    with torch.no_grad():
        recorder.run(*program.example())
    words = set(re.findall(r"\w+", failure))
    return sorted(
        recorder.found.values(), key=lambda one: name_of(one.node) not in words
    )


def name_of(node: fx.Node) -> str:
    """As ATen calls an operator: `conv2d`, `relu`."""
    schema = getattr(node.target, "_schema", None)
    return "" if schema is None else str(schema.name).rpartition("::")[2]


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[str, Alone] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "call_function" and isinstance(n.target, torch._ops.OpOverload):
            kind = f"{n.target}{fx.map_arg((n.args, n.kwargs), self._described)}"
            if kind not in self.found:
                self.found[kind] = Alone(node=n, program=self._alone(n))
        return super().run_node(n)

    def _described(self, node: fx.Node) -> str:
        value = self.env[node]
        if isinstance(value, Tensor):
            return f"{value.dtype}{list(value.shape)}{node.op == 'get_attr'}"
        return repr(value)

    def _alone(self, node: fx.Node) -> Program:
        graph, root = fx.Graph(), torch.nn.Module()
        inputs: list[Tensor] = []

        def given(source: fx.Node) -> Any:
            value = self.env[source]
            if not isinstance(value, Tensor):
                return value
            if source.op == "get_attr":
                name = f"constant_{len(list(root.buffers()))}"
                root.register_buffer(name, value.detach())
                return graph.get_attr(name)
            inputs.append(torch.view_as_real(value) if value.is_complex() else value)
            # The batch of one that every file has, before the operator's own shape.
            whole = graph.placeholder(f"input_{len(inputs)}")
            one = graph.call_function(aten.squeeze.dim, (whole, 0))
            if value.is_complex():
                one = graph.call_function(aten.view_as_complex.default, (one,))
            return one

        args, kwargs = fx.map_arg((node.args, node.kwargs), given)
        called = graph.call_function(node.target, args, kwargs)  # type: ignore[arg-type]
        graph.output(tuple(_outputs(graph, called, node)))
        return Program(
            module=fx.GraphModule(root, graph),
            inputs=tuple(InputSpec(shape=tuple(value.shape)) for value in inputs),
            dtypes=tuple(value.dtype for value in inputs),
        )


def _outputs(graph: fx.Graph, called: fx.Node, node: fx.Node) -> Iterator[fx.Node]:
    """Each tensor that the network reads of an operator; a complex one as pairs."""
    value = node.meta.get("val")
    single = isinstance(value, Tensor)
    for number, part in enumerate(pytree.tree_leaves(value)):
        if isinstance(part, Tensor) and (single or number in _read(node)):
            one = called
            if not single:
                one = graph.call_function(operator.getitem, (called, number))
            if part.is_complex():
                one = graph.call_function(aten.view_as_real.default, (one,))
            yield one


def _read(node: fx.Node) -> set[Any]:
    return {user.args[1] for user in node.users if user.target is operator.getitem}
