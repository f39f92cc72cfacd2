"""Carry a plan out: (width graph, plan) -> a narrower program that computes the same.

The given program is never touched. The result has parameters of its own, also where nothing
was cut, so that training it leaves its teacher alone; that of `shrink_shared` has not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from edgekit.errors import ModelError, UsageError
from edgekit.graph.blocks import Block, drop_blocks, silence_blocks
from edgekit.graph.graph import WidthGraph
from edgekit.graph.labels import Axes
from edgekit.graph.propagate import attribute
from edgekit.graph.rewrite_shapes import Cut, rewrite_shapes
from edgekit.graph.shapes import at_one, check, defect, resized
from edgekit.program.program import Program, duplicate
from edgekit.types import Plan

aten = torch.ops.aten


def shrink(graph: WidthGraph, plan: Plan, *, release: bool = False) -> Program:
    """The program without the units the plan does not keep, nor the blocks it drops.

    `release` frees each of the given program's parameters once it is cut, for a network that
    fills the memory: the given program cannot be run any more.
    """
    cut = cut_of(graph, plan)
    tensors = {}
    for tensor, axes in labeled_tensors(graph):
        tensors[id(tensor)] = sliced(tensor, axes, cut)
        if release:
            tensor.data = tensor.data.new_empty(0)
    made = _cut(graph, plan, cut, tensors)
    check(made)
    return made


def shrink_shared(graph: WidthGraph, plan: Plan) -> Program:
    """The same to be run only, which is the check of its shapes: parameters that stay whole are
    those of the given program."""
    cut = cut_of(graph, plan)
    tensors = {
        id(tensor): tensor
        if isinstance(tensor, nn.Parameter) and not _changes(cut, axes)
        else sliced(tensor, axes, cut)
        for tensor, axes in labeled_tensors(graph)
    }
    return _cut(graph, plan, cut, tensors)


def _cut(
    graph: WidthGraph, plan: Plan, cut: Cut, tensors: Mapping[int, torch.Tensor]
) -> Program:
    """The program over `tensors`, cut already, in place of the given ones (by id)."""
    blocks = _blocks(graph, plan)
    module, copies = _copy(graph.program.module, tensors)
    for old, new in copies.items():
        _rewrite(cut, old, new)
    _promise(graph, copies, cut)
    drop_blocks(blocks, {old.name: new for old, new in copies.items()})
    return _finished(graph.program, module)


def _rewrite(cut: Cut, old: fx.Node, new: fx.Node) -> None:
    try:
        rewrite_shapes(cut, old, new)
    except Exception as error:
        what = f"cannot follow the widths ({type(error).__name__}: {error})"
        raise ModelError(defect(new, what.splitlines()[0])) from error


def mask(graph: WidthGraph, plan: Plan) -> Program:
    """The program at full width with the same units' contributions set to zero.

    Their parameters are zeroed, and where they are summed over they are masked, for what lies in
    between (a sigmoid, a bias) may have made something of the zero.
    """
    cut, blocks = cut_of(graph, plan), _blocks(graph, plan)
    tensors = {id(t): _zeroed(t, axes, cut) for t, axes in labeled_tensors(graph)}
    module, copies = _copy(graph.program.module, tensors)
    for number, (node, operand, dim) in enumerate(graph.contractions()):
        axis = graph.axes(operand)[dim]
        if axis is not None and cut.changes(axis):
            removed = torch.ones(len(axis), dtype=torch.bool)
            removed[list(cut.indices(axis))] = False
            rank = len(graph.shape(operand))
            name = f"_removed_{number}"
            module.register_buffer(name, removed.reshape(-1, *[1] * (rank - 1 - dim)))
            _mask_operand(copies[node], copies[operand], name)
    silence_blocks(blocks, {old.name: new for old, new in copies.items()})
    made = _finished(graph.program, module)
    check(made)
    return made


def cut_of(graph: WidthGraph, plan: Plan) -> Cut:
    """The plan as sets, checked against the graph."""
    groups = {group.id: group for group in graph.groups}
    for name, chosen in plan.kept.items():
        if name not in groups:
            known = ", ".join(list(groups)[:5])
            raise UsageError(f"No group '{name}' to prune. Groups: {known}, ...")
        units = groups[name].units
        if not chosen or not all(0 <= unit < units for unit in chosen):
            raise UsageError(
                f"Group '{name}' keeps units {tuple(chosen)}. "
                f"Keep at least one of 0 to {units - 1}."
            )
    kept = {
        name: frozenset(units)
        for name, units in plan.kept.items()
        if len(set(units)) < groups[name].units
    }
    return Cut(graph=graph, kept=kept)


def _blocks(graph: WidthGraph, plan: Plan) -> list[Block]:
    known = {block.id: block for block in graph.blocks}
    for name in plan.dropped_blocks:
        if name not in known:
            blocks = ", ".join(list(known)[:5]) or "none"
            raise UsageError(f"No residual block '{name}' to drop. Blocks: {blocks}.")
    return [known[name] for name in dict.fromkeys(plan.dropped_blocks)]


def labeled_tensors(graph: WidthGraph) -> list[tuple[torch.Tensor, Axes]]:
    """Every parameter, buffer and constant once, with its labels where it is in use."""
    module = graph.program.module
    found: dict[int, tuple[torch.Tensor, Axes]] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        found[id(tensor)] = (tensor, [])
    for node in module.graph.find_nodes(op="get_attr"):
        tensor = attribute(module, node.target)
        if isinstance(tensor, torch.Tensor) and (
            node in graph.live or id(tensor) not in found
        ):
            found[id(tensor)] = (tensor, graph.axes(node))
    return list(found.values())


def _changes(cut: Cut, axes: Axes) -> bool:
    return any(axis is not None and cut.changes(axis) for axis in axes)


def _like(old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    if isinstance(old, nn.Parameter):
        return nn.Parameter(new, requires_grad=old.requires_grad)
    return new


def sliced(tensor: torch.Tensor, axes: Axes, cut: Cut) -> torch.Tensor:
    """The tensor without the elements that the cut removes."""
    result = tensor.detach()
    for dim, axis in enumerate(axes):
        if axis is not None and cut.changes(axis):
            index = torch.tensor(cut.indices(axis), device=tensor.device)
            result = result.index_select(dim, index)
    return _like(
        tensor, result.clone() if result.data_ptr() == tensor.data_ptr() else result
    )


def _zeroed(tensor: torch.Tensor, axes: Axes, cut: Cut) -> torch.Tensor:
    result = tensor.detach().clone()
    for dim, axis in enumerate(axes if tensor.is_floating_point() else ()):
        if axis is not None and cut.changes(axis):
            removed = sorted(set(range(len(axis))) - set(cut.indices(axis)))
            result.index_fill_(dim, torch.tensor(removed, device=tensor.device), 0)
    return _like(tensor, result)


def _copy(
    module: fx.GraphModule, tensors: Mapping[int, torch.Tensor]
) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """A module with these tensors in place of the old ones (by id), and old node -> new node."""
    memo: dict[int, Any] = dict(tensors)
    shape_env = module.__dict__.get("shape_env")
    memo[id(shape_env)] = shape_env
    result = duplicate(module, memo)
    return result, dict(zip(module.graph.nodes, result.graph.nodes, strict=True))


def _mask_operand(node: fx.Node, operand: fx.Node, name: str) -> None:
    with node.graph.inserting_before(node):
        removed = node.graph.get_attr(name)
        removed.meta["val"] = attribute(node.graph.owning_module, name)
        masked = node.graph.call_function(
            aten.masked_fill.Scalar, (operand, removed, 0.0)
        )
        masked.meta["val"] = operand.meta["val"]
    node.replace_input_with(operand, masked)


def _promise(graph: WidthGraph, copies: Mapping[fx.Node, fx.Node], cut: Cut) -> None:
    """Give every copied node its new shape; a loaded program's end has one, and needs none."""
    for old, new in copies.items():
        if old.op == "output":
            new.meta.pop("val", None)
            continue
        value = old.meta.get("val")
        if isinstance(value, list | tuple) and old in graph.live:
            multiple = zip(value, graph.output_axes(old), strict=True)
            new.meta["val"] = [
                resized(v, at_one(v), cut.sizes(axes, at_one(v)))
                for v, axes in multiple
            ]
        elif isinstance(value, torch.Tensor) and old in graph.live:
            new.meta["val"] = resized(value, graph.shape(old), cut.shape(old))


def _finished(program: Program, module: fx.GraphModule) -> Program:
    """Drop what is dead."""
    module.graph.eliminate_dead_code()
    _drop_unused(module)
    module.graph.lint()
    module.recompile()
    return replace(program, module=module)


def _drop_unused(module: fx.GraphModule) -> None:
    used = {str(node.target) for node in module.graph.find_nodes(op="get_attr")}
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    names += [name for name, _ in module.named_buffers(remove_duplicate=False)]
    for name in names:
        if name not in used:
            owner, _, attr = name.rpartition(".")
            delattr(module.get_submodule(owner), attr)
