"""Numbers inside the graph that follow the widths: shapes, split sizes, groups, offsets.

One function per operator in `REWRITES`; each reads the old node and edits its copy.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import fx

from edgekit.graph.graph import WidthGraph
from edgekit.graph.labels import Axes, Axis, Label
from edgekit.graph.propagate import Call, call_of, size_at_one

aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A plan on a width graph: which indices of a dimension stay."""

    graph: WidthGraph
    kept: Mapping[str, frozenset[int]]
    _indices: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def indices(self, axis: tuple[Label, ...]) -> tuple[int, ...]:
        """Indices of a labeled dimension that stay."""
        needs = self.graph.needs(axis)
        if id(needs) not in self._indices:
            self._indices[id(needs)] = tuple(
                i for i, units in enumerate(needs) if self._gone.isdisjoint(units)
            )
        return self._indices[id(needs)]

    @cached_property
    def _gone(self) -> frozenset[int]:
        return self.graph.without(self.kept)

    def size(self, axis: Axis, old: int) -> int:
        """The size of an axis of `old` elements after the cut."""
        return old if axis is None else len(self.indices(axis))

    def changes(self, axis: Axis) -> bool:
        """Return whether the axis loses elements."""
        return axis is not None and len(self.indices(axis)) < len(axis)

    def before(self, axis: Axis, index: int) -> int:
        """Number of the first `index` elements that stay."""
        if axis is None:
            return index
        return sum(i < index for i in self.indices(axis))

    def sizes(self, axes: Axes, old: Sequence[int]) -> tuple[int, ...]:
        """The sizes of all axes after the cut."""
        return tuple(self.size(a, n) for a, n in zip(axes, old, strict=True))

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """A tensor's new shape, the batch counted as 1."""
        return self.sizes(self.graph.axes(node), self.graph.shape(node))


Rewrite = Callable[[Cut, Call, fx.Node], None]
"""Takes the cut, the old call and the new node."""


def rewrite_shapes(cut: Cut, old: fx.Node, new: fx.Node) -> None:
    """Make the numbers of one operator those of the narrower network."""
    if old not in cut.graph.live or not isinstance(old.target, torch._ops.OpOverload):
        return
    call = call_of(old)
    if call.name in ("sym_size", "sym_numel"):
        _restore_size(cut, call, new)
    elif call.name in REWRITES:
        REWRITES[call.name](cut, call, new)


def set_argument(node: fx.Node, name: str, value: Any) -> None:
    """Give an operator's argument by its name in the schema."""
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    position = [a.name for a in arguments].index(name)
    if arguments[position].kwarg_only or name in node.kwargs:
        node.kwargs = {**node.kwargs, name: value}
        return
    args = list(node.args)
    args += [a.default_value for a in arguments[len(args) : position + 1]]
    args[position] = value
    node.args = tuple(args)


def _resized(argument: Any, old: int, new: int, place: fx.Node) -> Any:
    """A size argument scaled from `old` to `new`; symbolic ones are computed before `place`."""
    if new == old or argument == -1:
        return argument
    if isinstance(argument, int):
        return argument * new // old
    graph = place.graph
    with graph.inserting_before(place):
        factor = new
        if argument.target is operator.mul and isinstance(argument.args[1], int):
            argument, factor = argument.args[0], argument.args[1] * new
        if factor % old == 0:
            return _computed(graph, operator.mul, argument, factor // old)
        product = _computed(graph, operator.mul, argument, factor)
        return _computed(graph, operator.floordiv, product, old)


def _computed(graph: fx.Graph, function: Any, value: fx.Node, number: int) -> fx.Node:
    if function is operator.mul and number == 1:
        return value
    node = graph.call_function(function, (value, number))
    node.meta["val"] = function(value.meta["val"], number)
    return node


def _restore_size(cut: Cut, call: Call, new: fx.Node) -> None:
    """A size read from a narrowed dimension, scaled back: arithmetic stays in old sizes."""
    before, after = cut.graph.shape(call["self"]), cut.shape(call["self"])
    if call.name == "sym_size":
        old, now = before[call["dim"]], after[call["dim"]]
    else:
        old, now = math.prod(before), math.prod(after)
    if old == now:
        return
    value = new.meta["val"]
    users = list(new.users)
    with new.graph.inserting_after(new):
        product = new.graph.call_function(operator.mul, (new, old))
    with new.graph.inserting_after(product):
        restored = new.graph.call_function(operator.floordiv, (product, now))
    new.meta["val"] = value * now // old
    product.meta["val"] = new.meta["val"] * old
    restored.meta["val"] = value
    for user in users:
        user.replace_input_with(new, restored)


def _sizes(cut: Cut, call: Call, new: fx.Node, name: str, given: Sequence[Any]) -> None:
    now, old = cut.shape(call.node), cut.graph.shape(call.node)
    sizes = [
        _resized(argument, before, after, new)
        for argument, before, after in zip(given, old, now, strict=True)
    ]
    set_argument(new, name, sizes)


def _view(cut: Cut, call: Call, new: fx.Node) -> None:
    if not {"shape", "size"} & call.arguments.keys():
        return
    name = "shape" if "shape" in call.arguments else "size"
    position = 0 if call.name in ("zeros", "ones", "full", "empty") else 1
    given = new.args[position] if len(new.args) > position else new.kwargs[name]
    _sizes(cut, call, new, name, given)  # type: ignore[arg-type]


def _unflatten(cut: Cut, call: Call, new: fx.Node) -> None:
    given: Any = new.args[2] if len(new.args) > 2 else new.kwargs["sizes"]
    dim = call["dim"] % len(cut.graph.shape(call["self"]))
    now, old = cut.shape(call.node)[dim:], cut.graph.shape(call.node)[dim:]
    sizes = [_resized(a, o, n, new) for a, o, n in zip(given, old, now, strict=False)]
    set_argument(new, "sizes", sizes)


def _squeeze(cut: Cut, call: Call, new: fx.Node) -> None:
    """Name the dimensions: one that shrinks to 1 must not be squeezed with them."""
    shape = cut.graph.shape(call["self"])
    dims = call.get("dim")
    asked = (
        range(len(shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    )
    sizes = call["self"].meta["val"].shape
    single = [
        d % len(shape) for d in asked if isinstance(sizes[d], int) and sizes[d] == 1
    ]
    if 1 in cut.shape(call["self"]) and cut.shape(call["self"]) != shape:
        new.target = aten.squeeze.dims
        new.args, new.kwargs = (new.args[0], single), {}


def _split(cut: Cut, call: Call, new: fx.Node) -> None:
    dim = call["dim"] % len(cut.graph.shape(call["self"]))
    if not cut.changes(cut.graph.axes(call["self"])[dim]):
        return
    sizes = [
        cut.size(axes[dim], size_at_one(value.shape[dim]))
        for axes, value in zip(
            cut.graph.output_axes(call.node), call.node.meta["val"], strict=True
        )
    ]
    new.target = aten.split_with_sizes.default
    new.args, new.kwargs = (new.args[0], sizes, dim), {}


def _slice(cut: Cut, call: Call, new: fx.Node) -> None:
    axis = cut.graph.axes(call["self"])[call["dim"]]
    if not cut.changes(axis):
        return
    if call["step"] != 1:
        set_argument(new, "end", sys.maxsize)
        return
    first, last, _ = slice(call["start"], call["end"]).indices(len(axis or ()))
    set_argument(new, "start", cut.before(axis, first))
    set_argument(new, "end", cut.before(axis, max(first, last)))


def _narrow(cut: Cut, call: Call, new: fx.Node) -> None:
    axis = cut.graph.axes(call["self"])[call["dim"]]
    if cut.changes(axis):
        start = cut.before(axis, call["start"])
        end = cut.before(axis, call["start"] + call["length"])
        set_argument(new, "start", start)
        set_argument(new, "length", end - start)


def _select(cut: Cut, call: Call, new: fx.Node) -> None:
    axis = cut.graph.axes(call["self"])[call["dim"]]
    if axis is not None and cut.changes(axis):
        set_argument(new, "index", cut.before(axis, call["index"] % len(axis)))


def _pad(cut: Cut, call: Call, new: fx.Node) -> None:
    amounts = list(call["pad"])
    axes = cut.graph.axes(call.node)
    for i in range(len(amounts) // 2):
        axis = axes[-1 - i]
        if axis is None or amounts[2 * i] == amounts[2 * i + 1] == 0:
            continue
        last = len(axis) - amounts[2 * i + 1]
        amounts[2 * i] = cut.before(axis, amounts[2 * i])
        amounts[2 * i + 1] = len(cut.indices(axis)) - cut.before(axis, last)
    set_argument(new, "pad", amounts)


def _counted(name: str) -> Rewrite:
    """The argument `name` is the number of units in the node's note."""

    def count(cut: Cut, call: Call, new: fx.Node) -> None:
        for axis in cut.graph.notes(call.node):
            if axis is not None:
                set_argument(new, name, len(cut.indices(axis)))

    return count


def _repeats(cut: Cut, call: Call, new: fx.Node) -> None:
    given = new.args[1] if len(new.args) > 1 else new.kwargs["repeats"]
    counts = [
        len(cut.indices(axis)) if axis is not None else count
        for axis, count in zip(cut.graph.notes(call.node), given, strict=True)  # type: ignore[arg-type]
    ]
    set_argument(new, "repeats", counts)


def _normalized_shape(cut: Cut, call: Call, new: fx.Node) -> None:
    count = len(call["normalized_shape"])
    set_argument(new, "normalized_shape", list(cut.shape(call["input"])[-count:]))


def _scale(cut: Cut, call: Call, new: fx.Node) -> None:
    """Attention keeps the scale it was trained with."""
    old = cut.graph.shape(call["query"])[-1]
    if cut.shape(call["query"])[-1] != old and call["scale"] is None:
        set_argument(new, "scale", 1 / math.sqrt(old))


SIZED = (
    "view reshape _unsafe_view expand zeros ones full empty "
    "new_zeros new_ones new_full new_empty _reshape_alias"
)
CONVOLUTIONS = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"

REWRITES: dict[str, Rewrite] = {
    **dict.fromkeys(SIZED.split(), _view),
    "unflatten": _unflatten,
    "squeeze": _squeeze,
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), _split),
    **dict.fromkeys(("slice", "slice_scatter"), _slice),
    "narrow": _narrow,
    **dict.fromkeys(("select", "select_scatter"), _select),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys((*CONVOLUTIONS.split(), "convolution"), _counted("groups")),
    "channel_shuffle": _counted("groups"),
    "group_norm": _counted("num_groups"),
    "repeat_interleave": _counted("repeats"),
    **dict.fromkeys(("repeat", "tile"), _repeats),
    **dict.fromkeys(("layer_norm", "rms_norm"), _normalized_shape),
    "scaled_dot_product_attention": _scale,
}
