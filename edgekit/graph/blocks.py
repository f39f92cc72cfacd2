"""Whole residual blocks: branches `f` of `x + f(x)` that can go and leave `x`."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count

import torch
from torch import fx

from edgekit.graph.propagate import attribute, call_of, operator_name

RECTIFIERS = ("relu", "relu6")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A residual branch. `nodes` are what only it needs, `parameters` likewise."""

    id: str
    addition: str
    """Name of the node that adds the branch to the stream."""
    branch: str
    """Name of the branch's last node."""
    nodes: tuple[str, ...]
    parameters: tuple[str, ...]


def find_blocks(graph: fx.Graph, live: Iterable[fx.Node]) -> tuple[Block, ...]:
    """Every residual branch that holds weights, in the order of the network."""
    alive = set(live)
    found: dict[str, Block] = {}
    for node in graph.nodes:
        if node in alive and _is_addition(node):
            one, other = node.args[:2]
            for stream, branch in ((one, other), (other, one)):
                inside = _exclusive(node, branch)
                weights = _weights(inside)
                if weights and _starts_from(stream, _inputs(inside)):
                    name = _unique(_common_owner(weights), found)
                    found[name] = Block(
                        id=name,
                        addition=node.name,
                        branch=branch.name,
                        nodes=tuple(n.name for n in sorted(inside)),
                        parameters=tuple(
                            str(n.target) for n in sorted(inside) if n.op == "get_attr"
                        ),
                    )
                    break
    return tuple(found.values())


def _unique(name: str, taken: Mapping[str, Block]) -> str:
    numbered = (f"{name}.{number}" for number in count(2))
    return next(n for n in chain([name], numbered) if n not in taken)


def drop_blocks(blocks: Iterable[Block], copies: Mapping[str, fx.Node]) -> None:
    """Let each block's stream through, in the graph of `copies` (by the old nodes' names)."""
    gone: set[fx.Node] = set()
    following: set[fx.Node] = set()
    for block in blocks:
        addition, branch = copies[block.addition], copies[block.branch]
        (stream,) = (n for n in addition.args[:2] if n is not branch)
        for user in addition.users:
            _without_side_effect(user)
            following.add(user)
        addition.replace_all_uses_with(stream)  # type: ignore[arg-type]
        gone.update(copies[name] for name in block.nodes)
        gone.add(addition)
    for node in sorted(gone, reverse=True):
        node.graph.erase_node(node)
    for node in sorted(following - gone):
        if _repeats(node):
            node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
            node.graph.erase_node(node)


def _repeats(node: fx.Node) -> bool:
    """Return whether a rectifier reads what is rectified already.

    A runtime fuses a rectifier into the sum before it; where the sum has gone it would run alone:
    in LiteRT in int8 that cost more than the dropped blocks had.
    """
    if operator_name(node) not in RECTIFIERS:
        return False
    source = node.args[0]
    while isinstance(source, fx.Node) and _moves_values(source):
        source = source.args[0]
    return (
        isinstance(source, fx.Node)
        and source.op == "call_function"
        and operator_name(source) == operator_name(node)
        and source.args[1:] == node.args[1:]
    )


def _moves_values(node: fx.Node) -> bool:
    """Return whether an operator makes no values but zeros, which rectifiers leave alone."""
    if node.op != "call_function":
        return False
    name = operator_name(node)  # of Python's own operators too, such as `getitem`
    if name in ("pad", "constant_pad_nd"):
        call = call_of(node)
        return call.get("mode") in (None, "constant") and not call.get("value")
    return name in ("slice", "select", "view", "reshape", "flatten", "permute")


def silence_blocks(blocks: Iterable[Block], copies: Mapping[str, fx.Node]) -> None:
    """Add zero times each block's branch instead of the branch."""
    for block in blocks:
        addition, branch = copies[block.addition], copies[block.branch]
        with addition.graph.inserting_before(addition):
            nothing = addition.graph.call_function(
                torch.ops.aten.mul.Tensor, (branch, 0.0)
            )
        nothing.meta["val"] = branch.meta["val"]
        addition.replace_input_with(branch, nothing)


def _is_addition(node: fx.Node) -> bool:
    if node.op != "call_function" or operator_name(node) != "add":
        return False
    one, other = node.args[:2]
    if not (isinstance(one, fx.Node) and isinstance(other, fx.Node)) or one is other:
        return False
    values = [n.meta["val"] for n in (one, other, node) if "val" in n.meta]
    return (
        len(values) == 3
        and all(isinstance(value, torch.Tensor) for value in values)
        and len({(str(value.shape), value.dtype) for value in values}) == 1
        and call_of(node).get("alpha") in (None, 1)
    )


def _exclusive(addition: fx.Node, branch: fx.Node) -> set[fx.Node]:
    """The nodes that nothing but `branch`, and through it `addition`, needs."""
    if set(branch.users) != {addition} or branch.op != "call_function":
        return set()
    inside, waiting = {branch}, list(branch.all_input_nodes)
    while waiting:
        node = waiting.pop()
        if (
            node not in inside
            and node.op in ("call_function", "get_attr")
            and inside.issuperset(node.users)
        ):
            inside.add(node)
            waiting.extend(node.all_input_nodes)
    return inside


def _inputs(inside: set[fx.Node]) -> set[fx.Node]:
    return {n for node in inside for n in node.all_input_nodes} - inside


def _starts_from(stream: fx.Node, sources: set[fx.Node]) -> bool:
    """Return whether the stream is what the branch reads, but for pooling, padding and the like."""
    while stream not in sources:
        if stream.op != "call_function" or len(stream.all_input_nodes) != 1:
            return False
        stream = stream.all_input_nodes[0]
    return True


def _weights(inside: set[fx.Node]) -> list[str]:
    """The matrices and kernels that a branch uses, its own or shared, in order of use."""
    read = [n for node in sorted(inside) for n in node.all_input_nodes]
    tensors = {
        str(n.target): attribute(n.graph.owning_module, str(n.target))
        for n in read
        if n.op == "get_attr"
    }
    return [
        name
        for name, tensor in tensors.items()
        if isinstance(tensor, torch.nn.Parameter) and tensor.dim() > 1
    ]


def _common_owner(names: list[str]) -> str:
    """The innermost module that holds all of these parameters, or else the first's."""
    owners = [name.split(".")[:-1] or [name] for name in names]
    shared = 0
    while all(len(owner) > shared for owner in owners) and (
        len({owner[shared] for owner in owners}) == 1
    ):
        shared += 1
    return ".".join(owners[0][: shared or None])


def _without_side_effect(node: fx.Node) -> None:
    """An in-place operator on what was a sum would now write into the stream."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable:
        packet = target._schema.name.partition("::")[2].rstrip("_")
        overload = target._schema.overload_name or "default"
        node.target = operator.attrgetter(f"{packet}.{overload}")(torch.ops.aten)
