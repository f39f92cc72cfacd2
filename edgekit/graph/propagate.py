"""One walk over an ATen graph: every operator's rule gives the labels of its output's
dimensions.

A rule takes the `Walk` and the `Call` and returns the labels of the output's dimensions. The batch
counts as 1: a symbolic size is evaluated with every symbol at 1, so the batch never carries labels
and `[batch * heads, ...]` reads as `[heads, ...]`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import fx

from edgekit.graph.labels import Axes, Axis, Labels, Reason

Outputs = list[Axes]
"""Labels of an operator that returns several tensors."""
Rule = Callable[["Walk", "Call"], Axes | Outputs]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One operator with its arguments by name, defaults filled in."""

    node: fx.Node
    name: str
    arguments: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str) -> Any:
        """The argument `name`; `None` where it is absent."""
        return self.arguments.get(name)


def operator_name(node: fx.Node) -> str:
    """`conv2d` for `aten.conv2d.default`, in-place variants included; else the full name."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return getattr(target, "__name__", str(target))
    namespace, _, name = target._schema.name.partition("::")
    if namespace != "aten":
        return f"{namespace}.{name}"
    return name if name.startswith("__") else name.rstrip("_")


def call_of(node: fx.Node) -> Call:
    """The call of a node: its operator and its arguments by name."""
    schema = node.target._schema  # type: ignore[union-attr]
    arguments = {
        a.name: a.default_value for a in schema.arguments if a.has_default_value()
    }
    arguments |= dict(zip((a.name for a in schema.arguments), node.args, strict=False))
    return Call(node=node, name=operator_name(node), arguments=arguments | node.kwargs)


def size_at_one(size: int | torch.SymInt) -> int:
    """A size with every symbol, that is the batch, at 1."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, 1)))


@dataclass
class Walk:
    """State of the walk: labels of every node's dimensions, and the data for surgery."""

    live: set[fx.Node] = field(default_factory=set)
    labels: Labels = field(default_factory=Labels)
    axes: dict[fx.Node, Axes | Outputs] = field(default_factory=dict)
    notes: dict[fx.Node, tuple[Axis, ...]] = field(default_factory=dict)
    """Labels behind a number an operator takes: groups of a convolution, repeats, ..."""
    contractions: list[tuple[fx.Node, fx.Node, int]] = field(default_factory=list)
    """(operator, operand, dimension) summed over: where a removed unit's contribution enters."""
    activations: set[fx.Node] = field(default_factory=set)
    """Nodes that depend on the network's inputs; all others are made of weights and constants
    alone."""
    _shapes: dict[fx.Node, tuple[int, ...]] = field(default_factory=dict)
    _sizes: dict[Any, int] = field(default_factory=dict)

    def of(self, node: Any) -> Axes:
        """Labels of a tensor's dimensions, a list of the caller's own."""
        axes = self.axes[node]
        return list(axes)  # type: ignore[arg-type]

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """The shape of a node's output at batch size one."""
        if node not in self._shapes:
            self._shapes[node] = self.sizes(node.meta["val"].shape)
        return self._shapes[node]

    def sizes(self, shape: Sequence[int | torch.SymInt]) -> tuple[int, ...]:
        """The shape with every symbol replaced."""
        return tuple(self._size(size) for size in shape)

    def _size(self, size: int | torch.SymInt) -> int:
        if isinstance(size, int):
            return size
        expression = size.node.expr
        if expression not in self._sizes:
            self._sizes[expression] = size_at_one(size)
        return self._sizes[expression]

    def sizes_of(self, arguments: Sequence[Any]) -> tuple[int, ...]:
        """Sizes given as arguments, integers or nodes."""
        return self.sizes(
            [a.meta["val"] if isinstance(a, fx.Node) else a for a in arguments]
        )

    def output_shapes(self, call: Call) -> list[tuple[int, ...]]:
        """The shapes of a call's outputs."""
        value = call.node.meta["val"]
        values = value if isinstance(value, list | tuple) else [value]
        return [self.sizes(v.shape) for v in values]

    def unify(self, call: Call, *axes: Axis) -> Axis:
        """Tie axes unit by unit; freezes both where they do not match."""
        why = "meets a dimension that cannot shrink"
        return self.labels.unify(self.reason(call, why), *axes)

    def freeze(
        self, call: Call, axis: Axis, why: str = "", *, barrier: bool = False
    ) -> None:
        """Keep an axis whole, with the call as the reason."""
        self.labels.freeze(axis, self.reason(call, why, barrier=barrier))

    def split(
        self, call: Call, axis: Axis, outer: int, inner: int
    ) -> tuple[Axis, Axis]:
        """Split an axis into (outer, inner); freezes it where its parts do not match."""
        why = "splits a dimension whose parts do not match"
        reason = self.reason(call, why, barrier=True)
        return self.labels.split(axis, outer, inner, reason)

    def contract(self, call: Call, operand: fx.Node, dim: int) -> None:
        """Record that the call sums over dimension `dim` of `operand`."""
        if self.of(operand)[dim] is not None:
            self.contractions.append((call.node, operand, dim))

    def barred(self, call: Call, why: str) -> Axes | Outputs:
        """Keep whole all that an operator reads; its results carry nothing."""
        _freeze_inputs(self, call.node, why)
        return _unlabeled(call.node.meta["val"])

    def reason(self, call: Call, why: str, *, barrier: bool = False) -> Reason:
        """The reason that names the call."""
        return Reason(operator=call.name, node=call.node.name, why=why, barrier=barrier)

    def broadcast(
        self, call: Call, operands: Sequence[tuple[Axes, Sequence[int]]]
    ) -> Axes:
        """Labels of an element-wise result of `call`'s output shape."""
        (shape, *_) = self.output_shapes(call)
        return self.broadcast_to(call, operands, shape)

    def broadcast_to(
        self,
        call: Call,
        operands: Sequence[tuple[Axes, Sequence[int]]],
        shape: Sequence[int],
    ) -> Axes:
        """The axes of operands broadcast to `shape`; meeting axes are tied."""
        result: Axes = []
        for i, size in enumerate(shape):
            meeting = []
            for axes, own in operands:
                k = i - (len(shape) - len(own))
                if k >= 0 and own[k] == size != 1:
                    meeting.append(axes[k])
            result.append(self.unify(call, *meeting) if meeting else None)
        return result


def walk(graph: fx.Graph, rules: Mapping[str, Rule]) -> Walk:
    """Propagate labels from the parameters to the outputs."""
    state = Walk(live=live_nodes(graph))
    parameters: dict[int, Axes] = {}
    for node in graph.nodes:
        if node not in state.live:
            continue
        if node.op == "placeholder":
            state.axes[node] = _unlabeled(node.meta["val"])
            state.activations.add(node)
        elif node.op == "get_attr":
            _parameter(state, node, parameters)
        elif node.op == "output":
            _output(state, node)
        elif node.op == "call_function":
            _operator(state, node, rules)
            if not state.activations.isdisjoint(node.all_input_nodes):
                state.activations.add(node)
    _mark_products_of_weights(state)
    return state


def _mark_products_of_weights(state: Walk) -> None:
    """Weights summed with weights over units that activations have too: not exact.

    Such a sum (for example a spectral norm's) also sets the weights of the units that stay.
    """
    sums = [
        (node, operand, dim)
        for node, operand, dim in state.contractions
        if node not in state.activations
    ]
    if not sums:
        return
    active = {
        unit
        for node in state.activations & state.axes.keys()
        for axis in _each(state.axes[node])
        for label in axis or ()
        for unit in state.labels.resolve(label)
    }
    for _, operand, dim in sums:
        for label in state.of(operand)[dim] or ():
            if not active.isdisjoint(state.labels.resolve(label)):
                state.labels.mark_inexact((label,))


def live_nodes(graph: fx.Graph) -> set[fx.Node]:
    """The nodes an output or a side effect depends on."""
    live: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node in live or node.op in ("output", "placeholder") or node.is_impure():
            live.add(node)
            live.update(node.all_input_nodes)
    return live


def attribute(module: torch.nn.Module | None, path: str) -> Any:
    """The attribute of a module at a dotted path."""
    return operator.attrgetter(path)(module)


def _parameter(state: Walk, node: fx.Node, parameters: dict[int, Axes]) -> None:
    """Fresh labels, shared by the names of one tied parameter."""
    tensor = attribute(node.graph.owning_module, str(node.target))
    if isinstance(tensor, torch.Tensor):
        if id(tensor) not in parameters:
            parameters[id(tensor)] = [state.labels.fresh(size) for size in tensor.shape]
        state.axes[node] = parameters[id(tensor)]


def _output(state: Walk, node: fx.Node) -> None:
    for result in node.all_input_nodes:
        reason = Reason(
            operator="output", node=result.name, why="is the network's output"
        )
        for axis in _each(state.axes.get(result, [])):
            state.labels.freeze(axis, reason)


def _operator(state: Walk, node: fx.Node, rules: Mapping[str, Rule]) -> None:
    if node.target is operator.getitem:
        source, index = node.args
        if isinstance(outputs := state.axes.get(source), list) and outputs:  # type: ignore[arg-type]
            state.axes[node] = outputs[index]  # type: ignore[index, assignment]
        return
    value = node.meta.get("val")
    known = isinstance(node.target, torch._ops.OpOverload)
    if not _has_tensors(value):
        if known and operator_name(node) not in ("sym_size", "sym_numel"):
            _freeze_inputs(state, node, "makes a number of it")
        return
    rule = _rule(node, rules) if known else None
    if rule is None:
        _freeze_inputs(state, node, "EdgeKit has no rule for this operator")
        state.axes[node] = _unlabeled(value)
    else:
        state.axes[node] = _by_rule(state, node, rule)


def _rule(node: fx.Node, rules: Mapping[str, Rule]) -> Rule | None:
    """The operator's own, or that of all operators that torch calls element by element."""
    name = operator_name(node)
    tags = node.target.tags  # type: ignore[union-attr]
    return rules.get(name) or (rules["add"] if torch.Tag.pointwise in tags else None)


def _by_rule(state: Walk, node: fx.Node, rule: Rule) -> Axes | Outputs:
    """The rule's axes where they fit the operator's results; else a barrier.

    Networks use operators in ways that no rule's author thought of. Whatever a rule raises then
    costs widths, never the analysis.
    """
    try:
        axes = rule(state, call_of(node))
        if _fits(state, node, axes):
            return axes
        why = "EdgeKit's rule for this operator does not fit its result"
    except Exception as error:  # noqa: BLE001 - any fault of a rule is this one barrier
        why = f"EdgeKit's rule does not cover this use ({type(error).__name__})"
    _freeze_inputs(state, node, why)
    return _unlabeled(node.meta["val"])


def _fits(state: Walk, node: fx.Node, axes: Axes | Outputs) -> bool:
    """Return whether there are as many labels as elements in every dimension of every result."""
    value = node.meta["val"]
    multiple = isinstance(value, list | tuple)
    pairs = zip(axes, value, strict=True) if multiple else [(axes, value)]
    return all(
        _long_as(cast(Axes, own), state.sizes(tensor.shape))
        for own, tensor in pairs
        if isinstance(tensor, torch.Tensor)
    )


def _long_as(axes: Axes, shape: Sequence[int]) -> bool:
    return len(axes) == len(shape) and all(
        axis is None or len(axis) == size
        for axis, size in zip(axes, shape, strict=True)
    )


def _freeze_inputs(state: Walk, node: fx.Node, why: str) -> None:
    reason = Reason(operator=operator_name(node), node=node.name, why=why, barrier=True)
    for source in node.all_input_nodes:
        for axis in _each(state.axes.get(source, [])):
            state.labels.freeze(axis, reason)


def _unlabeled(value: Any) -> Axes | Outputs:
    if isinstance(value, torch.Tensor):
        axes: Axes = [None] * value.dim()
        return axes
    multiple: Outputs = [
        [None] * v.dim() if isinstance(v, torch.Tensor) else [] for v in value
    ]
    return multiple


def _has_tensors(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(v, torch.Tensor) for v in value)
    return isinstance(value, torch.Tensor)


def _each(axes: Any) -> Iterator[Axis]:
    """Every dimension of one tensor or of several."""
    for axis in axes:
        if isinstance(axis, list):
            yield from axis
        else:
            yield axis
