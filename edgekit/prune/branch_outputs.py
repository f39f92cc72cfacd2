"""Where residual branches of a cut network meet their stream, and what they make up for there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, fx, nn

from edgekit.graph.blocks import RECTIFIERS, Block
from edgekit.graph.graph import WidthGraph
from edgekit.graph.propagate import attribute, call_of, operator_name
from edgekit.program.parameters import argument_name
from edgekit.types import Plan

_FLAT = 1e-3
"""A batch norm's slope below which its channel is constant."""


@dataclass(frozen=True, kw_only=True)
class BranchOutput:
    """Where a residual branch of the cut network, batch norm last, is added to its stream."""

    stream: fx.Node
    norm: fx.Node
    whole: fx.Node
    """The sum of the whole network that it stands for."""

    def slopes(self, module: nn.Module, like: Tensor) -> Tensor:
        """The norm's factor of each channel, laid out like its output."""
        call = call_of(self.norm)
        gain, variance = (
            attribute(module, str(call[name].target))
            for name in ("weight", "running_var")
        )
        slopes = gain.detach() / (variance + call["eps"]).sqrt()
        slopes = torch.where(slopes.abs() < _FLAT, torch.ones_like(slopes), slopes)
        return slopes.reshape(-1, *[1] * (like.dim() - 2))

    def set(
        self, parameters: Mapping[str, Tensor], desired: Tensor, slopes: Tensor
    ) -> None:
        """Let the norm give each channel the mean and the spread that are wanted."""
        call = call_of(self.norm)
        rows = desired.movedim(1, -1).flatten(0, -2)
        gain, shift = (str(call[name].target) for name in ("weight", "bias"))
        parameters[gain].data.copy_(rows.std(0) * slopes.flatten().sign())
        parameters[shift].data.copy_(rows.mean(0))


def branch_outputs(
    graph: WidthGraph, plan: Plan, student: fx.Graph, serving: Collection[str]
) -> Mapping[fx.Node, BranchOutput]:
    """By the last layer of each residual branch that is left, where that can be fitted.

    `student` is the graph of the network cut by `plan`; `serving` names the parameters that may be
    set, which are those that serve once.
    """
    whole = {node.name: node for node in graph.program.module.graph.nodes}
    nodes = {node.name: node for node in student.nodes}
    behind = {_unrectified(_stream(whole, b)).name: b for b in graph.blocks}
    found = {}
    for block in graph.blocks:
        if block.id in plan.dropped_blocks or block.addition not in nodes:
            continue
        last = block
        while (after := behind.get(last.addition)) and after.id in plan.dropped_blocks:
            last = after
        norm = nodes[block.branch]
        if norm.target is not torch.ops.aten.batch_norm.default:
            continue
        layer = cast(fx.Node, norm.args[0])
        affine = {argument_name(norm, 1), argument_name(norm, 2)} <= set(serving)
        if affine and argument_name(norm, 4) and normalized(layer):
            addition = nodes[block.addition]
            found[layer] = BranchOutput(
                stream=next(n for n in addition.all_input_nodes if n is not norm),
                norm=norm,
                whole=whole[last.addition],
            )
    return found


def _stream(nodes: Mapping[str, fx.Node], block: Block) -> fx.Node:
    addition = nodes[block.addition]
    return next(n for n in addition.all_input_nodes if n.name != block.branch)


def _unrectified(node: fx.Node) -> fx.Node:
    """The input of a rectifier; any other node itself."""
    if node.op == "call_function" and operator_name(node) in RECTIFIERS:
        return node.all_input_nodes[0]
    return node


def normalized(node: fx.Node) -> bool:
    """Return whether batch norm, and nothing else, reads this: it takes a shift away."""
    return [user.target for user in node.users] == [torch.ops.aten.batch_norm.default]
