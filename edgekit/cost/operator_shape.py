"""Type and shapes of an operator, on which its cost depends, read off the graph for any
widths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from edgekit.graph.graph import WidthGraph
from edgekit.types.operator_shape import OperatorShape

aten = torch.ops.aten


def describe(
    graph: WidthGraph, node: fx.Node, widths: Mapping[str, int] | None = None
) -> OperatorShape | None:
    """The operator at `node` with the given widths; `None` where it is free at run time.

    Views cost nothing, and neither does most of what moves values, but for strides and padding;
    batch norm and simple activations are fused into the operator before them by every runtime
    EdgeKit exports to.
    """
    if node.op != "call_function":
        return None
    rule = _RULES.get(_name(node))
    if rule is None:
        return None
    operator = rule(_Reader(graph, node, widths or {}))
    if operator is not None and _rectified(node):
        return replace(operator, relu=True)
    return operator


def _rectified(node: fx.Node) -> bool:
    """Return whether only a rectifier reads the operator, batch norm aside."""
    if _name(node) not in _RECTIFIABLE:
        return False
    while len(node.users) == 1:
        [node] = node.users
        if _name(node) in ("relu", "relu6"):
            return True
        if _name(node) == "hardtanh":
            return node.args[1:2] == (0.0,)
        if _name(node) not in ("batch_norm", "_native_batch_norm_legit_no_training"):
            return False
    return False


def parameter_nodes(graph: WidthGraph) -> list[fx.Node]:
    """The nodes that read a parameter in use, one for each: a tied one has several names."""
    module = graph.program.module
    ids = {n: id(p) for n, p in module.named_parameters(remove_duplicate=False)}
    found: dict[int, fx.Node] = {}
    for node in module.graph.find_nodes(op="get_attr"):
        if node.target in ids and node in graph.live:
            found.setdefault(ids[node.target], node)
    return list(found.values())


def groups_of(graph: WidthGraph, node: fx.Node) -> list[str]:
    """The groups that a tensor's size depends on; none for several tensors at once."""
    if not isinstance(node.meta.get("val"), torch.Tensor):
        return []
    found: dict[str, None] = {}
    for extent in graph.extents(node):
        for _, names in extent.terms:
            found.update(dict.fromkeys(names))
    return list(found)


def groups_at(graph: WidthGraph, node: fx.Node) -> list[str]:
    """The groups that an operator's cost depends on."""
    found = dict.fromkeys(groups_of(graph, node))
    for source in node.all_input_nodes:
        found.update(dict.fromkeys(groups_of(graph, source)))
    return list(found)


def _name(node: fx.Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target.overloadpacket.__name__).rstrip("_")
    return ""


@dataclass(frozen=True)
class _Reader:
    """A node's shapes and constants by name."""

    graph: WidthGraph
    node: fx.Node
    widths: Mapping[str, int]

    def shape(self, node: fx.Node | None = None) -> tuple[int, ...]:
        return self.graph.shape(node or self.node, self.widths)

    def tensor(self, position: int) -> tuple[int, ...]:
        argument = self.node.args[position]
        assert isinstance(argument, fx.Node)
        return self.shape(argument)

    def constant(self, name: str, default: Any) -> Any:
        target = self.node.target
        assert isinstance(target, torch._ops.OpOverload)
        for position, argument in enumerate(target._schema.arguments):
            if argument.name == name:
                if position < len(self.node.args):
                    return self.node.args[position]
                return self.node.kwargs.get(name, default)
        return default


def _pair(value: Any, rank: int) -> tuple[int, int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    values = values * rank if len(values) == 1 else values
    return (1, values[0]) if rank == 1 else (values[-2], values[-1])


def _padding(value: Any, rank: int, kernel: tuple[int, int]) -> tuple[int, int]:
    if value == "same":
        return kernel[0] // 2, kernel[1] // 2
    if value == "valid" or value in (0, [0], [0] * rank):
        return 0, 0
    return (0, _pair(value, 1)[1]) if rank == 1 else _pair(value, rank)


def _plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Spatial extent of (N, C, *spatial) as two numbers; a third dimension joins the first."""
    spatial = shape[2:] or (1,)
    return math.prod(spatial[:-1]), spatial[-1]


def _conv(read: _Reader) -> OperatorShape:
    given, weight = read.tensor(0), read.tensor(1)
    rank = len(weight) - 2
    if rank > 2:
        return _as_matrix(
            rows=math.prod(read.shape()[2:]),
            inputs=math.prod(weight[1:]),
            outputs=weight[0],
        )
    kernel = _pair(weight[2:], rank)
    return OperatorShape(
        kind="conv",
        inputs=given[1],
        outputs=weight[0],
        size=_plane(given),
        kernel=kernel,
        stride=_pair(read.constant("stride", 1), rank),
        padding=_padding(read.constant("padding", 0), rank, kernel),
        dilation=_pair(read.constant("dilation", 1), rank),
        groups=given[1] // weight[1],
    )


def _transposed_conv(read: _Reader) -> OperatorShape:
    given, weight = read.tensor(0), read.tensor(1)
    return _as_matrix(
        rows=math.prod(given[2:]), inputs=weight[0], outputs=math.prod(weight[1:])
    )


def _as_matrix(*, rows: int, inputs: int, outputs: int) -> OperatorShape:
    return OperatorShape(kind="linear", inputs=inputs, outputs=outputs, size=(rows, 1))


def _linear(read: _Reader) -> OperatorShape:
    given, weight = read.tensor(0), read.tensor(1)
    return _as_matrix(rows=math.prod(given[:-1]), inputs=weight[1], outputs=weight[0])


def _matmul(read: _Reader) -> OperatorShape:
    left, right = read.tensor(0), read.tensor(1)
    columns = right[-1] if len(right) > 1 else 1
    return _as_matrix(rows=math.prod(left[:-1]), inputs=left[-1], outputs=columns)


def _attention(read: _Reader) -> OperatorShape:
    """By the width of query and value together: costs of two widths and heads would be many."""
    query, value = read.tensor(0), read.tensor(2)
    features = query[-1] + value[-1]
    return OperatorShape(
        kind="attention",
        inputs=features,
        outputs=features,
        size=(query[-2], value[-2]),
        groups=math.prod(read.shape()[:-2]),
    )


def _layer_norm(read: _Reader) -> OperatorShape:
    given, dims = read.tensor(0), len(read.constant("normalized_shape", (0,)))
    features = math.prod(given[-dims:])
    return OperatorShape(
        kind="layer_norm",
        inputs=features,
        outputs=features,
        size=(math.prod(given[:-dims]), 1),
    )


def _einsum(read: _Reader) -> OperatorShape:
    """A product of two tensors by its equation; parts that are not one matrix product are
    free."""
    equation, operands = read.constant("equation", ""), read.constant("tensors", ())
    terms, _, result = equation.replace(" ", "").partition("->")
    names = terms.split(",")
    if len(names) != 2 or not result or "." in terms:
        return _elementwise(read)
    sizes: dict[str, int] = {}
    for letters, operand in zip(names, operands, strict=True):
        sizes |= dict(zip(letters, read.shape(operand), strict=True))

    def size(letters: set[str]) -> int:
        return math.prod(sizes[letter] for letter in letters)

    left, right = map(set, names)
    return _as_matrix(
        rows=size(left & set(result)),
        inputs=size((left & right) - set(result)),
        outputs=size((right - left) & set(result)),
    )


def _recurrent(read: _Reader) -> OperatorShape:
    parameters = read.node.args[2] if isinstance(read.node.args[2], list) else []
    weights = [read.shape(p) for p in parameters if isinstance(p, fx.Node)]
    area = sum(math.prod(shape) for shape in weights if len(shape) == 2)
    # Steps and a batch of one, in either order.
    steps = math.prod(read.tensor(0)[:-1])
    inputs = weights[0][1] if weights else 1
    return _as_matrix(rows=steps, inputs=inputs, outputs=max(1, area // inputs))


def _elementwise(read: _Reader) -> OperatorShape:
    shape = read.shape()
    channels = shape[1] if len(shape) > 1 else 1
    rest = max(1, math.prod(shape) // max(1, channels))
    return OperatorShape(
        kind="elementwise", inputs=channels, outputs=channels, size=(rest, 1)
    )


def _reduction(read: _Reader) -> OperatorShape:
    """A reduction reads its whole input once, as an element-wise operator of that size does."""
    given = read.tensor(0)
    channels = given[1] if len(given) > 1 else 1
    rest = max(1, math.prod(given) // max(1, channels))
    return OperatorShape(
        kind="elementwise", inputs=channels, outputs=channels, size=(rest, 1)
    )


def _pool(read: _Reader) -> OperatorShape:
    given = read.tensor(0)
    rank = len(given) - 2
    kernel = _pair(read.constant("kernel_size", 1), rank)
    stride = read.constant("stride", None)
    return OperatorShape(
        kind="pool",
        inputs=given[1],
        outputs=given[1],
        size=_plane(given),
        kernel=kernel,
        stride=_pair(stride, rank) if stride else kernel,
        padding=_padding(read.constant("padding", 0), rank, kernel),
    )


def _slice(read: _Reader) -> OperatorShape | None:
    """Every n-th position along one dimension; neighbors that stay are moved at no cost."""
    given, step = read.tensor(0), read.constant("step", 1)
    axis = read.constant("dim", 0) % len(given)
    if step == 1 or len(given) not in (3, 4) or axis < 2:
        return None
    last = axis == len(given) - 1
    return OperatorShape(
        kind="slice",
        inputs=given[1],
        outputs=given[1],
        size=_plane(given),
        stride=(1, step) if last else (step, 1),
    )


def _padded(read: _Reader) -> OperatorShape | None:
    """Padding as a layer of its own, as much at both ends."""
    given, pads = read.tensor(0), list(read.constant("pad", ()))
    if len(given) not in (3, 4) or min(pads, default=-1) < 0:
        return None
    spatial = 2 * (len(given) - 2)
    ends = [*pads[:spatial], 0, 0, 0, 0]
    both = math.ceil(sum(ends[2:4]) / 2), math.ceil(sum(ends[:2]) / 2)
    return OperatorShape(
        kind="pad",
        inputs=given[1],
        outputs=read.shape()[1],
        size=_plane(given),
        padding=both,
    )


_RECTIFIABLE = ("conv1d", "conv2d", "linear", "add")
_RULES: dict[str, Callable[[_Reader], OperatorShape | None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed_conv
    ),
    "linear": _linear,
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    "scaled_dot_product_attention": _attention,
    "layer_norm": _layer_norm,
    "einsum": _einsum,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), _pool),
    **dict.fromkeys(
        ("mean", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
        _reduction,
    ),
    "slice": _slice,
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
    **dict.fromkeys(
        (
            *("add", "sub", "mul", "div", "sigmoid", "silu", "gelu", "hardswish"),
            *("hardsigmoid", "tanh", "elu", "mish", "softmax"),
            *("group_norm", "rms_norm", "cat", "upsample_nearest2d"),
            *("upsample_bilinear2d", "prelu", "leaky_relu"),
        ),
        _elementwise,
    ),
}
