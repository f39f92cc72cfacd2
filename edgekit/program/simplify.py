"""Leave plain operators only: inline the regions a tracer keeps apart, drop its assertions.

A `no_grad` or autocast region holds ordinary operators of the network; as a graph of their own
they would hide dimensions from whoever walks the outer one.
"""

from __future__ import annotations

import operator
from typing import Any, cast

import torch
from torch import fx

_AUTOCAST = torch.ops.higher_order.wrap_with_autocast
ASSERTIONS = ("aten::_assert_tensor_metadata",)


def simplify(module: fx.GraphModule) -> bool:
    """Inline regions and drop assertions about traced metadata, in place.

    Returns whether one of them ran under autocast, which leaves the types that were traced wrong:
    all of a program is in float32.
    """
    casts = False
    while (region := _next_region(module.graph)) is not None:
        node, position = region
        casts |= node.target is _AUTOCAST and bool(node.args[2])
        _inline(module, node, position)
    for node in list(module.graph.nodes):
        schema = getattr(node.target, "_schema", None)
        if schema is not None and schema.name in ASSERTIONS:
            module.graph.erase_node(node)
    module.delete_all_unused_submodules()
    module.recompile()
    return casts


def _next_region(graph: fx.Graph) -> tuple[fx.Node, int] | None:
    """The first region, and where it takes its body."""
    for node in graph.nodes:
        position = _body_position(node)
        if position is not None:
            return node, position
    return None


def _body_position(node: fx.Node) -> int | None:
    """Where a region takes its body; `None` for all other nodes."""
    if node.target is torch.ops.higher_order.wrap_with_set_grad_enabled:
        return 1
    return 4 if node.target is _AUTOCAST else None


def _inline(module: fx.GraphModule, node: fx.Node, position: int) -> None:
    source = node.args[position]
    assert isinstance(source, fx.Node)
    path = str(source.target)
    body = module.get_submodule(path)
    assert isinstance(body, fx.GraphModule)
    values: dict[fx.Node, fx.Node] = dict(
        zip(
            body.graph.find_nodes(op="placeholder"),
            node.args[position + 1 :],  # type: ignore[arg-type]
            strict=True,
        )
    )
    given = set(values)
    with module.graph.inserting_before(node):
        copied = module.graph.graph_copy(body.graph, cast(Any, values))
    results = cast(tuple[fx.Node, ...], copied)
    for inner in body.graph.find_nodes(op="get_attr"):
        if inner not in given:
            values[inner].target = f"{path}.{inner.target}"
    for user in list(node.users):
        assert user.target is operator.getitem
        user.replace_all_uses_with(results[cast(int, user.args[1])])
        module.graph.erase_node(user)
    module.graph.erase_node(node)
    if not source.users:
        module.graph.erase_node(source)
