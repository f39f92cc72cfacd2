"""Outputs of variants of one network: what a variant leaves as it was runs once for all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from edgekit.graph.propagate import attribute
from edgekit.program.named_outputs import tensors

Inputs = tuple[Tensor, ...]
KEPT_BYTES = 1 << 29
"""Memory for values of the network that its variants take over."""


class Reuse:
    """A network over batches of inputs, of which variants take every value that is theirs too.

    A variant's node is unchanged where the network has one of its name with the same operator,
    settings and tensors, and all that it reads is unchanged. Values are kept until there are
    `kept_bytes`, the last that were taken stay.
    """

    def __init__(
        self,
        network: fx.GraphModule,
        batches: Sequence[Inputs],
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._network = network
        self._nodes = {node.name: node for node in network.graph.nodes}
        self._batches, self._room = batches, kept_bytes // max(1, len(batches))
        self._known = [OrderedDict[str, Any]() for _ in batches]
        self._start = {
            name: value.detach().clone() for name, value in network.named_buffers()
        }

    def outputs(self, variant: fx.GraphModule) -> Iterator[list[Tensor]]:
        """The tensors that a variant returns, batch by batch, without gradients.

        One that writes into its buffers runs whole: what it reads of them depends on the order.
        """
        if any(map(_writes, variant.graph.nodes)):
            yield from (_whole(variant, inputs) for inputs in self._batches)
            return
        same = self._unchanged(variant)
        [end] = variant.graph.find_nodes(op="output")
        requested = end.all_input_nodes
        sources = _needed(requested, same)[1]
        for inputs, known in zip(self._batches, self._known, strict=True):
            taken = {name: self._value(name, inputs, known) for name in sources}
            values = _run(variant, requested, taken, inputs)
            named = fx.map_arg(end.args[0], lambda node: node.name)
            yield list(tensors(pytree.tree_map(values.get, named)))
            _forget(known, self._room)

    def _value(self, name: str, inputs: Inputs, known: OrderedDict[str, Any]) -> Any:
        """The network's own, computed from the nearest values that are known."""
        if name not in known:
            node = self._nodes[name]
            _, sources = _needed([node], known)
            taken = {each: known[each] for each in sources}
            known[name] = _run(self._network, [node], taken, inputs)[name]
        known.move_to_end(name)
        return known[name]

    def _unchanged(self, variant: fx.GraphModule) -> set[str]:
        same: set[str] = set()
        for node in variant.graph.nodes:
            old = self._nodes.get(node.name)
            if old is not None and self._alike(node, old, same, variant):
                same.add(node.name)
        return same

    def _alike(
        self,
        node: fx.Node,
        old: fx.Node,
        same: Collection[str],
        variant: fx.GraphModule,
    ) -> bool:
        if (node.op, node.target) != (old.op, old.target) or node.op == "output":
            return False
        if node.op == "get_attr":
            name = str(old.target)
            mine, given = attribute(variant, name), attribute(self._network, name)
            return _equal(mine, self._start.get(name, given))
        if any(n.name not in same for n in node.all_input_nodes):
            return False
        return bool(_settings(node) == _settings(old))


def _whole(module: fx.GraphModule, inputs: Inputs) -> list[Tensor]:
    with torch.no_grad():
        return list(tensors(module(*inputs)))


def _settings(node: fx.Node) -> Any:
    """Arguments with the names of the nodes in them."""
    return fx.map_arg((node.args, node.kwargs), lambda one: ("%", one.name))


def _writes(node: fx.Node) -> bool:
    """Return whether a node changes what the network keeps; batch norm's statistics, which it
    does not read while it is trained, do not count."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _equal(mine: Any, given: Any) -> bool:
    if isinstance(mine, Tensor) and isinstance(given, Tensor) and mine is not given:
        return mine.dtype == given.dtype and torch.equal(mine, given)
    return mine is given


def _needed(
    requested: Sequence[fx.Node], known: Collection[str]
) -> tuple[set[fx.Node], list[str]]:
    """Nodes to run for those `requested`, and the `known` ones that they read."""
    run, sources, todo = set[fx.Node](), dict[str, None](), list(requested)
    while todo:
        node = todo.pop()
        if node.name in known:
            sources[node.name] = None
        elif node not in run:
            run.add(node)
            todo += node.all_input_nodes
    return run, list(sources)


def _run(
    module: fx.GraphModule,
    requested: Sequence[fx.Node],
    taken: Mapping[str, Any],
    inputs: Inputs,
) -> dict[str, Any]:
    """Values of the nodes `requested`, from those `taken` and the network's inputs."""
    run, _ = _needed(requested, taken)
    left = _uses(run, requested)
    interpreter = fx.Interpreter(module, garbage_collect_values=False)
    feeds = dict(zip(module.graph.find_nodes(op="placeholder"), inputs, strict=True))
    env = interpreter.env
    env |= {node: taken[node.name] for node in module.graph.nodes if node.name in taken}
    with torch.no_grad():
        for node in (node for node in module.graph.nodes if node in run):
            env[node] = feeds[node] if node in feeds else interpreter.run_node(node)
            for read in node.all_input_nodes:
                left[read] -= 1
                if not left[read]:
                    del env[read]
    return {node.name: env[node] for node in requested}


def _uses(run: Collection[fx.Node], requested: Sequence[fx.Node]) -> dict[fx.Node, int]:
    """Number of times that each value is read yet; those `requested` never run out."""
    left = dict.fromkeys(requested, 1)
    for node in run:
        for read in node.all_input_nodes:
            left[read] = left.get(read, 0) + 1
    return left


def _forget(known: OrderedDict[str, Any], room: int) -> None:
    """Drop the values that were taken longest ago, until the rest has room."""
    sizes = {name: _bytes(value) for name, value in known.items()}
    total = sum(sizes.values())
    for name in list(known):
        if total <= room:
            return
        total -= sizes[name]
        del known[name]


def _bytes(value: Any) -> int:
    return sum(part.nbytes for part in tensors(value))
