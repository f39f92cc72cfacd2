"""Batch norm that follows a layer, folded into the layer's weights: the same network in fewer
operators, as runtimes fold it."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from edgekit.program.program import Program

_LAYERS = frozenset(("aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::linear"))
_BIAS = 2
"""Where these layers take their bias."""


def fold(program: Program) -> Program:
    """A copy of `program` without the batch norms that can be folded; outputs are the same."""
    result = program.copy()
    module = result.module
    for norm in module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.batch_norm.default
    ):
        layer = norm.args[0]
        if _folds(module, layer):
            _fold(module, layer, norm)
    module.graph.eliminate_dead_code()
    _drop_unread(module)
    module.recompile()
    return result


def _drop_unread(module: fx.GraphModule) -> None:
    """Remove what the norms left behind, which no file of the network would keep."""
    read = {str(node.target) for node in module.graph.find_nodes(op="get_attr")}
    tensors = (*module.named_parameters(), *module.named_buffers())
    for name in [name for name, _ in tensors if name not in read]:
        place, _, leaf = name.rpartition(".")
        delattr(module.get_submodule(place), leaf)


def _folds(module: fx.GraphModule, layer: object) -> bool:
    """Return whether nothing else reads the layer, and no other layer its weights."""
    if not isinstance(layer, fx.Node) or len(layer.users) != 1:
        return False
    schema = getattr(layer.target, "_schema", None)
    if schema is None or schema.name not in _LAYERS:
        return False
    weight = layer.args[1]
    return (
        isinstance(weight, fx.Node)
        and weight.op == "get_attr"
        and _alone(module, weight)
    )


def _alone(module: fx.GraphModule, weight: fx.Node) -> bool:
    consumers = [
        user
        for node in module.graph.find_nodes(op="get_attr", target=str(weight.target))
        for user in node.users
    ]
    return len(consumers) == 1


@torch.no_grad()
def _fold(module: fx.GraphModule, layer: fx.Node, norm: fx.Node) -> None:
    scale, shift = (_value(module, node) for node in norm.args[1:3])
    mean, variance = (_tensor(module, node) for node in norm.args[3:5])
    eps = norm.args[7]
    assert isinstance(eps, float)
    factor: Tensor = torch.rsqrt(variance + eps)
    factor = factor if scale is None else factor * scale
    weight_node = layer.args[1]
    assert isinstance(weight_node, fx.Node)
    name = str(weight_node.target)
    weight = module.get_parameter(name)
    weight.copy_(weight * factor.reshape(-1, *[1] * (weight.ndim - 1)))
    bias = _value(module, layer.args[_BIAS] if len(layer.args) > _BIAS else None)
    folded = -mean * factor if bias is None else (bias - mean) * factor
    folded = folded if shift is None else folded + shift
    place = f"{name.replace('.', '_')}_folded_bias"
    module.register_parameter(place, nn.Parameter(folded.clone()))
    with module.graph.inserting_before(layer):
        node = module.graph.get_attr(place)
    node.meta["val"] = norm.meta["val"].new_empty(folded.shape)
    args = [*layer.args, *[None] * (_BIAS + 1 - len(layer.args))]
    args[_BIAS] = node
    layer.args = tuple(args)
    norm.replace_all_uses_with(layer)
    module.graph.erase_node(norm)


def _value(module: fx.GraphModule, node: object) -> Tensor | None:
    return None if node is None else _tensor(module, node)


def _tensor(module: fx.GraphModule, node: object) -> Tensor:
    assert isinstance(node, fx.Node)
    owner: object = module
    for part in str(node.target).split("."):
        owner = getattr(owner, part)
    assert isinstance(owner, Tensor)
    return owner
