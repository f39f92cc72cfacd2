"""In-place operators made functional: a write becomes a new value for all that read it later.

Writes into activations break training (autograd needs the old value) and hide from whoever walks
the graph which values are read. Writes into buffers stay: they are state that the network keeps.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx
from torch._dispatch.python import enable_python_dispatcher

from edgekit.errors import ModelError
from edgekit.program.modes import layer_of

aten = torch.ops.aten
_END = 2**63 - 1
_RESHAPES = frozenset(
    f"aten::{name}"
    for name in (
        *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "view_as"),
        *("squeeze", "unsqueeze", "contiguous", "alias", "detach", "to", "reshape_as"),
    )
)
"""Views that keep the order of the elements: shaped back, they are what they came from."""
_PERHAPS = frozenset(
    f"aten::{name}"
    for name in ("reshape", "flatten", "unflatten", "contiguous", "to", "reshape_as")
)
"""Views of some layouts, copies of others."""
_LISTS = ("aten::split", "aten::split_with_sizes", "aten::chunk", "aten::unbind")


def functionalize(module: fx.GraphModule) -> None:
    """Rewrite every in-place operator on an activation, in place.

    Raises `ModelError`, with the layer, where a write goes through a view that cannot be undone.
    """
    if any(map(_written, module.graph.nodes)):
        _Rewrite(module.graph).run()
        module.graph.eliminate_dead_code()
        module.recompile()


class _Rewrite:
    """One walk over a graph, in order.

    `current` is each node's value after the writes so far; `parent` is what a view was taken from.
    """

    def __init__(self, graph: fx.Graph) -> None:
        self.graph = graph
        self.current: dict[fx.Node, fx.Node] = {}
        self.parent: dict[fx.Node, fx.Node] = {}

    def run(self) -> None:
        for node in list(self.graph.nodes):
            first = node.args[0] if node.args else None
            if not _written(node) and (source := _viewed(node)) is not None:
                self.parent[node] = source
            node.args = fx.map_arg(node.args, self._now)
            node.kwargs = fx.map_arg(node.kwargs, self._now)
            if _written(node) and self._base(first).op == "get_attr":
                self.parent[node] = node.args[0]
            elif _written(node):
                self._rewrite(node, first)

    def _now(self, node: fx.Node) -> fx.Node:
        return self.current.get(node, node)

    def _base(self, node: Any) -> fx.Node:
        while node in self.parent:
            node = self.parent[node]
        assert isinstance(node, fx.Node)
        return node

    def _rewrite(self, node: fx.Node, target: Any) -> None:
        with self.graph.inserting_before(node):
            maker = _Maker(self.graph, node)
            value = maker.written()
            base, new = target, value
            while base in self.parent:
                new = maker.scattered(base, self._now(self.parent[base]), new)
                base = self.parent[base]
            self.current[base] = new
            for view in list(self.parent):
                if view is not target and self._base(view) is base:
                    again = maker.again(view, self._now(self.parent[view]))
                    self.current[view] = again
            self.current[target] = value
        node.replace_all_uses_with(target)
        self.graph.erase_node(node)


class _Maker:
    """Makes the nodes that take the place of one in-place operator."""

    def __init__(self, graph: fx.Graph, node: fx.Node) -> None:
        self.graph = graph
        self.node = node

    def call(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        made = self.graph.call_function(target, args, kwargs)
        notes = ("nn_module_stack", "stack_trace", "custom")
        made.meta = {n: self.node.meta[n] for n in notes if n in self.node.meta}
        values = [n.meta["val"] for n in made.all_input_nodes]
        mode = next(v.fake_mode for v in _tensors(values))
        given, named = fx.map_arg((args, kwargs), lambda n: n.meta["val"])
        with mode, enable_python_dispatcher(), torch.no_grad():
            made.meta["val"] = target(*given, **named)
        return made

    def written(self) -> fx.Node:
        """The value that the in-place operator leaves in its first argument, as a new value."""
        node = self.node
        into, *others = node.args
        assert isinstance(into, fx.Node)
        schema = node.target._schema  # type: ignore[union-attr]
        name = schema.name.removeprefix("aten::").removesuffix("_")
        if name == "copy":
            return self._like(others[0], into)
        if name == "zero":
            return self.call(aten.zeros_like.default, into)
        if name == "fill" and not isinstance(others[0], fx.Node):
            return self.call(aten.full_like.default, into, others[0])
        packet = getattr(aten, name, None)
        functional = getattr(packet, schema.overload_name or "default", None)
        if functional is None or not isinstance(into.meta["val"], Tensor):
            raise self._in_place_problem(schema.name)
        made = self.call(functional, *node.args, **node.kwargs)
        return self._like(made, into)

    def _like(self, value: Any, other: fx.Node) -> fx.Node:
        """A value in the shape and type of another, as in-place operators keep them."""
        now, expected = value.meta["val"], other.meta["val"]
        if now.dtype != expected.dtype:
            value = self.call(aten.to.dtype, value, expected.dtype)
        if list(now.shape) != list(expected.shape):
            value = self.call(aten.expand_as.default, value, other)
        assert isinstance(value, fx.Node)
        return value

    def again(self, view: fx.Node, parent: fx.Node) -> fx.Node:
        """The same view of another parent."""
        args = (parent, *view.args[1:])
        return self.call(view.target, *args, **view.kwargs)

    def scattered(self, view: fx.Node, parent: fx.Node, new: fx.Node) -> fx.Node:
        """`parent` with `new` in the place that `view` shows of it."""
        if view.target is operator.getitem:
            return self._joined(view, new)
        kind, whole = _schema_name(view), parent.meta["val"]
        given: list[Any] = list(view.args[1:])
        if kind in _LISTS:
            return new  # `_joined` has put the parts together already
        if kind in _RESHAPES:
            return self._reshaped(new, parent)
        if kind == "aten::slice":
            return self._sliced(view, parent, new)
        if kind == "aten::select":
            dim = given[0] % whole.ndim
            index = given[1] % whole.shape[dim]
            row = self.call(aten.unsqueeze.default, new, dim)
            return self._between(parent, row, dim, index, index + 1)
        if kind in ("aten::transpose", "aten::t", "aten::numpy_T"):
            return self.call(view.target, new, *given)
        if kind == "aten::permute":
            places = [place % whole.ndim for place in given[0]]
            back = [places.index(dim) for dim in range(whole.ndim)]
            return self.call(aten.permute.default, new, back)
        raise self._in_place_problem(kind)

    def _joined(self, view: fx.Node, new: fx.Node) -> fx.Node:
        """The parts of a split tensor, one of them new, as one tensor."""
        parts, number = view.args
        assert isinstance(parts, fx.Node)
        count = len(parts.meta["val"])
        joined = [
            new if i == number else self.call(operator.getitem, parts, i)
            for i in range(count)
        ]
        kind = parts.target._schema.name  # type: ignore[union-attr]
        named = {a.name: a for a in parts.target._schema.arguments}  # type: ignore[union-attr]
        dim = parts.kwargs.get("dim", 0)
        if len(parts.args) > list(named).index("dim"):
            dim = parts.args[list(named).index("dim")]
        join = aten.stack.default if kind == "aten::unbind" else aten.cat.default
        return self.call(join, joined, dim)

    def _reshaped(self, new: fx.Node, parent: fx.Node) -> fx.Node:
        sizes = list(parent.meta["val"].shape)
        free = [i for i, size in enumerate(sizes) if not isinstance(size, int)]
        if list(new.meta["val"].shape) == sizes:
            return new
        if len(free) > 1:
            return self.call(aten.reshape_as.default, new, parent)
        shape = [-1 if i in free else size for i, size in enumerate(sizes)]
        return self.call(aten.reshape.default, new, shape)

    def _sliced(self, view: fx.Node, parent: fx.Node, new: fx.Node) -> fx.Node:
        given: list[Any] = list(view.args[1:])
        dim, start, end, step = given + [0, None, None, 1][len(given) :]
        if list(view.meta["val"].shape) == list(parent.meta["val"].shape):
            return new
        size = parent.meta["val"].shape[dim]
        static = all(isinstance(i, int) for i in (size, start or 0, end or 0))
        if not static or step != 1:
            return self.call(
                aten.slice_scatter.default, parent, new, dim, start, end, step
            )
        first, last, _ = slice(start, end).indices(size)
        return self._between(parent, new, dim % parent.meta["val"].ndim, first, last)

    def _between(
        self, parent: fx.Node, new: fx.Node, dim: int, first: int, last: int
    ) -> fx.Node:
        """The parts of `parent` before and behind, with `new` in between."""
        size = parent.meta["val"].shape[dim]
        parts = [new]
        if first > 0:
            parts.insert(0, self.call(aten.slice.Tensor, parent, dim, 0, first))
        if last < size:
            parts.append(self.call(aten.slice.Tensor, parent, dim, last, _END))
        return parts[0] if len(parts) == 1 else self.call(aten.cat.default, parts, dim)

    def _in_place_problem(self, kind: str) -> ModelError:
        layer = layer_of(self.node) or "the network"
        return ModelError(
            f"The layer '{layer}' writes in place by {self.node.target} through {kind}, which "
            "cannot be trained or cut. Compute a new tensor there (torch.cat, torch.where)."
        )


def _written(node: fx.Node) -> bool:
    """Return whether an operator writes into its first argument."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None or not schema.arguments:
        return False
    first = schema.arguments[0].alias_info
    return first is not None and first.is_write


def _viewed(node: fx.Node) -> fx.Node | None:
    """The node whose memory a view shares."""
    if node.op != "call_function" or not node.args:
        return None
    source = node.args[0]
    if not isinstance(source, fx.Node):
        return None
    if node.target is operator.getitem:
        return source if _schema_name(source) in _LISTS else None
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.returns:
        return None
    if _schema_name(node) in _LISTS:
        return source
    if schema.returns[0].alias_info is None:
        return None
    sure = schema.name not in _PERHAPS
    return source if sure or _same_memory(source, node) else None


def _same_memory(one: fx.Node, other: fx.Node) -> bool:
    """Return whether two traced values share memory."""
    values = one.meta.get("val"), other.meta.get("val")
    if not all(isinstance(value, Tensor) for value in values):
        return False
    first, second = (v.untyped_storage()._cdata for v in values)  # type: ignore[union-attr]
    return bool(first == second)


def _schema_name(node: fx.Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return schema.name if schema is not None else ""


def _tensors(values: Any) -> list[Any]:
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return [values] if hasattr(values, "fake_mode") else []
