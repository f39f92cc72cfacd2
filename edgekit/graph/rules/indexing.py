"""Operators that pick elements: slices, selection, gathers, embeddings, padding."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.graph.labels import Axes, Axis
from edgekit.graph.propagate import Call, Outputs, Rule, Walk


def slice_bounds(size: int, start: Any, end: Any) -> tuple[int, int]:
    """Python's bounds of `[start:end]` on a dimension of `size`."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


def sliced(walk: Walk, call: Call) -> Axes:
    """`slice`: a run of the dimension's units."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    whole, step = axes[dim], call["step"]
    if whole is None:
        return axes
    bounds = (call["start"], call["end"])
    if any(isinstance(bound, fx.Node) for bound in bounds):
        walk.freeze(call, whole, "is sliced at a computed place", barrier=True)
        axes[dim] = None
        return axes
    first, last = slice_bounds(len(whole), *bounds)
    part: Axis = whole[first:last]
    if step != 1:
        part = _every(walk, call, whole, step)
    if part is not None and len(part) == 1:
        walk.freeze(call, part, "is picked alone")
        part = None
    axes[dim] = part
    return axes


def _every(walk: Walk, call: Call, whole: Axis, step: int) -> Axis:
    """Every `step`-th element of a whole dimension: blocks of `step` must go together."""
    size = len(whole or ())
    bounds = slice_bounds(size, call["start"], call["end"])
    if bounds[0] >= step or bounds[1] != size or size % step:
        walk.freeze(call, whole, "is sliced with a step", barrier=True)
        return None
    blocks, within = walk.split(call, whole, size // step, step)
    walk.freeze(call, within, "is sliced with a step")
    return blocks


def narrow(walk: Walk, call: Call) -> Axes:
    """`narrow`: a run of the dimension's units."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    start, whole = call["start"], axes[dim]
    if whole is not None and isinstance(start, fx.Node):
        walk.freeze(call, whole, "is narrowed at a computed place", barrier=True)
        axes[dim] = None
    elif whole is not None:
        axes[dim] = whole[start : start + call["length"]]
    return axes


def select(walk: Walk, call: Call) -> Axes:
    """One element of a dimension: that one stays."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    whole, index = axes.pop(dim), call["index"]
    if whole is not None:
        one = isinstance(index, int)
        walk.freeze(call, (whole[index],) if one else whole, "is picked alone")
    return axes


def unbind(walk: Walk, call: Call) -> Outputs:
    """`unbind`: the dimension that is taken apart stays whole."""
    axes = walk.of(call["self"])
    walk.freeze(call, axes.pop(call["dim"] % (len(axes) + 1)), "is taken apart")
    return [list(axes) for _ in walk.output_shapes(call)]


def embedding(walk: Walk, call: Call) -> Axes:
    """`embedding`: units are the weight's columns; rows stay whole."""
    rows, width = walk.of(call["weight"])
    walk.freeze(call, rows, "is looked up by index")
    walk.labels.mark_role(width, "embedding")
    return [*walk.of(call["indices"]), width]


def index(walk: Walk, call: Call) -> Axes:
    """Advanced indexing: indexed dimensions stay whole, the others pass through."""
    axes, indices = walk.of(call["self"]), call["indices"]
    if any(i is not None and i.meta["val"].dtype == torch.bool for i in indices):
        for axis in axes:
            walk.freeze(call, axis, "is looked up by a mask", barrier=True)
        return [None] * len(walk.output_shapes(call)[0])
    for tensor in (i for i in indices if i is not None):
        for axis in walk.of(tensor):
            walk.freeze(call, axis, "is a table of indices")
    places = [i for i, tensor in enumerate(indices) if tensor is not None]
    for i in places:
        table = call["self"].op == "get_attr"
        walk.freeze(call, axes[i], "is looked up by index", barrier=not table)
    rank = len(walk.output_shapes(call)[0]) - (len(axes) - len(places))
    together = places == list(range(places[0], places[-1] + 1))
    before = axes[: places[0]] if together else []
    rest = [axis for i, axis in enumerate(axes) if i not in places and i >= len(before)]
    return [*before, *[None] * rank, *rest]


def index_select(walk: Walk, call: Call) -> Axes:
    """`index_select`: the indexed dimension stays whole."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    walk.freeze(call, axes[dim], "is looked up by index", barrier=True)
    axes[dim] = None
    return axes


def pad(walk: Walk, call: Call) -> Axes:
    """Constant padding adds elements of its own, which go with whatever they meet."""
    axes = walk.of(call["self"])
    mode = call.get("mode") or "constant"
    amounts = call["pad"]
    for i in range(len(amounts) // 2):
        before, after = amounts[2 * i], amounts[2 * i + 1]
        axis = axes[-1 - i]
        if before == after == 0:
            continue
        if axis is None or mode != "constant" or min(before, after) < 0:
            why = (
                "is padded with its own values" if mode != "constant" else "is cropped"
            )
            walk.freeze(call, axis, why, barrier=True)
            axes[-1 - i] = None
        else:
            axes[-1 - i] = (*_new(walk, before), *axis, *_new(walk, after))
    return axes


def _new(walk: Walk, count: int) -> tuple[tuple[int, ...], ...]:
    """Even one padded element is a unit, so two are asked for and one is used."""
    return (walk.labels.fresh(max(count, 2)) or ())[:count]


def roll(walk: Walk, call: Call) -> Axes:
    """`roll`: the rolled dimensions stay whole."""
    axes = walk.of(call["self"])
    for dim in call["dims"] or range(len(axes)):
        walk.freeze(call, axes[dim], "is rolled", barrier=True)
        axes[dim] = None
    return axes


def unfold(walk: Walk, call: Call) -> Axes:
    """`unfold`: the unfolded dimension stays whole."""
    axes = walk.of(call["self"])
    walk.freeze(call, axes[call["dimension"]], "is unfolded", barrier=True)
    axes[call["dimension"]] = None
    return [*axes, None]


RULES: dict[str, Rule] = {
    "slice": sliced,
    "narrow": narrow,
    "select": select,
    "unbind": unbind,
    "embedding": embedding,
    "index": index,
    "index_select": index_select,
    **dict.fromkeys(("pad", "constant_pad_nd"), pad),
    "roll": roll,
    "unfold": unfold,
}
