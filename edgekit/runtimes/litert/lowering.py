"""Operators that a converter lacks or writes wrongly, as operators that it writes rightly.

Every decomposition gives the same numbers, up to the rounding of sums. Shapes are those of a
batch of one, which every exported file has.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from edgekit.program.program import Program

Decomposition = Callable[..., Any]
"""Takes what its operator takes, and gives what that gives; `NotImplemented` leaves it alone."""
Table = Mapping[Any, Decomposition]


def lowered(program: Program, table: Table) -> Program:
    """`program` with batch 1, and with what `table` decomposes decomposed; itself without any."""
    if not any(_concerns(table, node) for node in program.module.graph.nodes):
        return program
    module = program.exported(static_batch=1).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    replaced = [
        _replace(module, node, table[node.target], f"lowered_{number}")
        for number, node in enumerate(list(module.graph.nodes))
        if _concerns(table, node)
    ]
    if not any(replaced):
        return program
    module.graph.eliminate_dead_code()
    module.recompile()
    return replace(program, module=module)


def _replace(
    module: fx.GraphModule, node: fx.Node, decompose: Decomposition, name: str
) -> bool:
    """Put the operators that `decompose` calls in the place of `node`, if it calls any."""
    sources = [one for one in node.all_input_nodes if _is_tensor(one)]
    with torch.no_grad():
        body = _traced(node, sources, decompose)
    if body is None:
        return False
    values: dict[fx.Node, fx.Node] = dict(
        zip(body.graph.find_nodes(op="placeholder"), sources, strict=True)
    )
    with module.graph.inserting_before(node):
        for number, constant in enumerate(body.graph.find_nodes(op="get_attr")):
            place = f"{name}_{number}"
            module.register_buffer(place, getattr(body, str(constant.target)))
            values[constant] = module.graph.get_attr(place)
        result = module.graph.graph_copy(body.graph, cast(Any, values))
    for inner, copied in values.items():
        if inner.op == "call_function":
            copied.meta.update(node.meta)
    if isinstance(result, fx.Node):
        node.replace_all_uses_with(result)
    else:
        for user in list(node.users):
            assert user.target is operator.getitem
            user.replace_all_uses_with(cast(Any, result)[user.args[1]])
            module.graph.erase_node(user)
    module.graph.erase_node(node)
    return True


def _concerns(table: Table, node: fx.Node) -> bool:
    """An addition is everywhere, and only that of a multiple is of interest."""
    plain = node.target is torch.ops.aten.add.Tensor and not node.kwargs
    return node.target in table and not plain


def _traced(
    node: fx.Node, sources: list[fx.Node], decompose: Decomposition
) -> fx.GraphModule | None:
    """Calls of `decompose` on tensors of these shapes; `None` where it leaves them."""
    refused = False

    def call(*tensors: Tensor) -> Any:
        nonlocal refused
        given = dict(zip(sources, tensors, strict=True))
        args, kwargs = fx.map_arg(
            (node.args, node.kwargs), lambda one: given.get(one, one.meta.get("val"))
        )
        result = decompose(*args, **kwargs)
        refused = result is NotImplemented
        return tensors if refused else result

    shapes = [cast(Tensor, one.meta["val"]) for one in sources]
    zeros = [torch.zeros(one.shape, dtype=one.dtype) for one in shapes]
    body = make_fx(call)(*zeros)
    return None if refused else body


def _is_tensor(node: fx.Node) -> bool:
    return isinstance(node.meta.get("val"), Tensor)
