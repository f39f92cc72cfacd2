"""Peak memory of activations, for any widths.

At each step of execution the tensors that are still needed lie in memory together. Batch norm
and activation functions are fused into the operator before them, and views share its buffer, in
every runtime EdgeKit exports to; further needs of a runtime (scratch, packed weights) are not
counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from edgekit.graph.graph import WidthGraph
from edgekit.graph.propagate import operator_name
from edgekit.prune.cost_terms import Options, Term, blocks_of_nodes, tensor_term

_SHARED = frozenset(
    (
        *("batch_norm", "relu", "relu6", "hardtanh", "leaky_relu", "clamp"),
        *("view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze"),
        *("dropout", "contiguous", "clone", "detach", "alias"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """A tensor in memory, of `item_bytes` an element; gone where any of `blocks` is."""

    node: fx.Node
    item_bytes: int
    blocks: tuple[str, ...]


def steps(graph: WidthGraph) -> list[tuple[Buffer, ...]]:
    """The sets of buffers that are in memory together, without those inside another set."""
    order = [n for n in graph.program.module.graph.nodes if n in graph.live]
    owner = _owners(order)
    last: dict[fx.Node, int] = {}
    for number, node in enumerate(order):
        for used in (node, *node.all_input_nodes):
            if used in owner:
                last[owner[used]] = number
    made = {node: _buffer(graph, node) for node in last}
    alive: list[fx.Node] = []
    found: list[frozenset[fx.Node]] = []
    for number, node in enumerate(order):
        if node in made:
            alive.append(node)
        now = frozenset(alive)
        if now and not (found and now <= found[-1]):
            if found and found[-1] <= now:
                found.pop()
            found.append(now)
        alive = [each for each in alive if last[each] > number]
    return [tuple(made[node] for node in sorted(each)) for each in found]


def peak_bytes(
    graph: WidthGraph,
    together: Sequence[Sequence[Buffer]],
    widths: Mapping[str, int],
    dropped: Collection[str] = (),
) -> int:
    """The most that any step needs at these widths and without the dropped blocks."""
    size = {
        buffer.node: math.prod(graph.shape(buffer.node, widths)) * buffer.item_bytes
        for step in together
        for buffer in step
        if not set(buffer.blocks) & set(dropped)
    }
    return max((sum(size.get(b.node, 0) for b in step) for step in together), default=0)


def activation_terms(
    graph: WidthGraph, together: Sequence[Sequence[Buffer]], options: Options
) -> dict[fx.Node, Term[tuple[int, ...]]]:
    """Shapes of every buffer, by the node that makes it."""
    buffers = {b.node: b for step in together for b in step}
    return {
        node: Term(
            axes=(term := tensor_term(graph, node, options)).axes,
            cells=term.cells,
            blocks=buffer.blocks,
            exact=term.exact,
        )
        for node, buffer in buffers.items()
    }


def _owners(order: Sequence[fx.Node]) -> dict[fx.Node, fx.Node]:
    """The node whose buffer each activation lies in."""
    owner: dict[fx.Node, fx.Node] = {}
    for node in order:
        if not isinstance(node.meta.get("val"), torch.Tensor):
            continue
        if node.op == "placeholder":
            owner[node] = node
        elif node.op == "call_function":
            source = node.all_input_nodes[0] if node.all_input_nodes else None
            shares = operator_name(node) in _SHARED and source in owner
            owner[node] = owner[source] if shares and source else node
    return owner


def _buffer(graph: WidthGraph, node: fx.Node) -> Buffer:
    additions = {block.addition: block.id for block in graph.blocks}
    # Where a block is dropped its stream lives on in the place of the sum.
    blocks = tuple(
        name
        for name in blocks_of_nodes(graph).get(node, ())
        if additions.get(node.name) != name
    )
    return Buffer(node=node, item_bytes=node.meta["val"].dtype.itemsize, blocks=blocks)
