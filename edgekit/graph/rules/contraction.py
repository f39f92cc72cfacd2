"""Operators that sum over a dimension: convolutions, linear, matrix products, attention, einsum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import fx

from edgekit.graph.labels import Axes, Axis, merge
from edgekit.graph.propagate import Call, Rule, Walk


def linear(walk: Walk, call: Call) -> Axes:
    """`linear`: sums over the last dimension; units are the weight's rows."""
    x, weight = walk.of(call["input"]), walk.of(call["weight"])
    walk.contract(call, call["input"], len(x) - 1)
    walk.unify(call, x[-1], weight[-1])
    if len(weight) == 1:
        return x[:-1]
    walk.labels.mark_role(weight[0], "hidden")
    if call["bias"] is not None:
        walk.unify(call, weight[0], walk.of(call["bias"])[0])
    return [*x[:-1], weight[0]]


def convolution(walk: Walk, call: Call) -> Axes:
    """`convolution`: units of the output are the weight's first dimension, by group."""
    source = call["input"]
    x, weight = walk.of(source), walk.of(call["weight"])
    # As many groups as the batch has samples, where weights are made for each: one at batch 1.
    (groups,) = walk.sizes_of([call["groups"]])
    rank = len(weight) - 2
    channel = len(x) - rank - 1
    for axis in x[channel + 1 :]:
        walk.freeze(call, axis, "slides over this dimension", barrier=True)
    for axis in weight[2:]:
        walk.freeze(call, axis, "slides over this dimension")
    transposed = "transpose" in call.name or bool(call.get("transposed"))
    if groups > 1:
        out = _grouped(walk, call, groups, transposed)
    else:
        walk.contract(call, source, channel)
        inputs, out = (weight[0], weight[1]) if transposed else (weight[1], weight[0])
        walk.unify(call, x[channel], inputs)
    walk.labels.mark_role(out, "channel")
    if call["bias"] is not None:
        walk.unify(call, out, walk.of(call["bias"])[0])
    return [*x[:channel], out, *[None] * rank]


def _grouped(walk: Walk, call: Call, groups: int, transposed: bool) -> Axis:
    """Channels are (group, within): a group goes whole, the rest alike in all groups."""
    source, weight = call["input"], walk.of(call["weight"])
    rows = walk.shape(call["weight"])[0]
    channel = len(walk.shape(source)) - len(weight) + 1
    inner = walk.shape(source)[channel] // groups
    x_group, x_within = walk.split(call, walk.of(source)[channel], groups, inner)
    w_group, w_within = walk.split(call, weight[0], groups, rows // groups)
    shared = walk.unify(call, x_group, w_group)
    walk.notes[call.node] = (shared,)
    if inner > 1:
        walk.contract(call, source, channel)
        walk.labels.mark_role(shared, "group")
    if transposed:
        walk.unify(call, x_within, w_within)
        out_within, out_size = weight[1], walk.shape(call["weight"])[1]
    else:
        if inner > 1:
            walk.unify(call, x_within, weight[1])
        out_within, out_size = w_within, rows // groups
    return merge([shared, out_within], [groups, out_size])


def matmul(walk: Walk, call: Call) -> Axes:
    """`matmul`, `mm`, `bmm`: sums over the inner dimension."""
    one, other = call["self"], call.get("other") or call.get("mat2")
    x, y = walk.of(one), walk.of(other)
    if len(x) == 1 or len(y) == 1:
        return _matrix_vector(walk, call, one, other)
    walk.contract(call, one, len(x) - 1)
    batch = walk.broadcast_to(
        call,
        [(x[:-2], walk.shape(one)[:-2]), (y[:-2], walk.shape(other)[:-2])],
        walk.output_shapes(call)[0][:-2],
    )
    walk.unify(call, x[-1], y[-2])
    if batch and not _is_parameter(one) and not _is_parameter(other):
        _mark_heads(walk, batch, (x[-2], x[-1], y[-1]))
    return [*batch, x[-2], y[-1]]


def _matrix_vector(walk: Walk, call: Call, one: fx.Node, other: fx.Node) -> Axes:
    x, y = walk.of(one), walk.of(other)
    walk.contract(call, one, len(x) - 1)
    if len(y) == 1:
        walk.unify(call, x[-1], y[0])
        return x[:-1]
    walk.unify(call, x[0], y[-2])
    return [*y[:-2], y[-1]]


def dot(walk: Walk, call: Call) -> Axes:
    """`dot`, `mv`: sums over the last dimension."""
    one = call["self"]
    other = call.get("tensor") or call.get("vec") or call["other"]
    return _matrix_vector(walk, call, one, other)


def outer(walk: Walk, call: Call) -> Axes:
    """`outer`: both operands' units."""
    return [walk.of(call["self"])[0], walk.of(call["vec2"])[0]]


def added_matmul(walk: Walk, call: Call) -> Axes:
    """`addmm` and `baddbmm`: a bias plus a matrix product."""
    one = call.get("mat1") or call.get("batch1")
    other = call.get("mat2") or call.get("batch2")
    x, y = walk.of(one), walk.of(other)
    walk.contract(call, one, len(x) - 1)
    walk.unify(call, x[-1], y[-2])
    batch = [walk.unify(call, a, b) for a, b in zip(x[:-2], y[:-2], strict=True)]
    shape = walk.output_shapes(call)[0]
    bias = call["self"]
    return walk.broadcast(
        call, [([*batch, x[-2], y[-1]], shape), (walk.of(bias), walk.shape(bias))]
    )


def attention(walk: Walk, call: Call) -> Axes:
    """Scaled dot-product attention over (batch, heads, length, dimension)."""
    query, key, value = call["query"], call["key"], call["value"]
    q, k, v = walk.of(query), walk.of(key), walk.of(value)
    walk.contract(call, query, len(q) - 1)
    walk.unify(call, q[-1], k[-1])
    for axis in (walk.unify(call, k[-2], v[-2]),):
        walk.freeze(call, axis, "softmax over this dimension", barrier=True)
    batch = [_attention_batch(walk, call, i) for i in range(len(q) - 2)]
    _mark_heads(walk, batch, (q[-1], v[-1]))
    if call["attn_mask"] is not None:
        mask, shape = call["attn_mask"], walk.shape(query)
        full = (*shape[:-1], walk.shape(key)[-2])
        operands = [([*batch, q[-2], None], full), (walk.of(mask), walk.shape(mask))]
        walk.broadcast_to(call, operands, full)
    return [*batch, q[-2], v[-1]]


def _attention_batch(walk: Walk, call: Call, dim: int) -> Axis:
    """Query heads with their key and value heads, several to one where queries are grouped."""
    nodes = [call[name] for name in ("query", "key", "value")]
    sizes = [walk.shape(node)[dim] for node in nodes]
    q, k, v = (walk.of(node)[dim] for node in nodes)
    if sizes[0] == sizes[1] == sizes[2]:
        return walk.unify(call, q, k, v) if sizes[0] > 1 else None
    if call.get("enable_gqa") and dim == len(walk.shape(nodes[0])) - 3:
        shared, _ = walk.split(call, q, sizes[1], sizes[0] // sizes[1])
        if sizes[1] > 1:
            walk.unify(call, shared, k, v)
        return q
    full = tuple(max(sizes) for _ in range(1))
    operands = [([axis], (size,)) for axis, size in zip((q, k, v), sizes, strict=True)]
    return walk.broadcast_to(call, operands, full)[0]


def _mark_heads(walk: Walk, batch: Axes, dims: tuple[Axis, ...]) -> None:
    for axis in batch:
        walk.labels.mark_role(axis, "head")
    for axis in dims:
        walk.labels.mark_role(axis, "head_dim")


def _is_parameter(node: fx.Node) -> bool:
    while node.op == "call_function" and len(node.all_input_nodes) == 1:
        node = node.all_input_nodes[0]
    return node.op == "get_attr"


def einsum(walk: Walk, call: Call) -> Axes:
    """`einsum`: letters tie dimensions; missing ones are summed over."""
    operands = call["tensors"]
    terms, right = _terms(
        call["equation"].replace(" ", ""), [len(walk.shape(node)) for node in operands]
    )
    if any(len(set(term)) < len(term) for term in terms):
        return cast(Axes, walk.barred(call, f"cannot follow '{call['equation']}'"))
    found: dict[str, Axis] = {}
    for letter in dict.fromkeys("".join(terms)):
        meeting = [
            walk.of(node)[term.index(letter)]
            for term, node in zip(terms, operands, strict=True)
            if letter in term and walk.shape(node)[term.index(letter)] != 1
        ]
        found[letter] = walk.unify(call, *meeting) if meeting else None
        if letter not in right:
            first = next(i for i, term in enumerate(terms) if letter in term)
            walk.contract(call, operands[first], terms[first].index(letter))
    if not any(_is_parameter(node) for node in operands):
        shared = [x for x in right if all(x in term for term in terms)]
        others = [x for x in found if x not in shared]
        _mark_heads(walk, [found[x] for x in shared], tuple(found[x] for x in others))
    return [found[letter] for letter in right]


def _terms(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The operands' letters and the result's; dots become capitals from the last one back."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    dots = [
        _DOTS[len(_DOTS) - rank + len(term) - 3 :]
        for term, rank in zip(terms, ranks, strict=True)
        if "..." in term
    ]
    for i, rank in enumerate(ranks):
        own = _DOTS[len(_DOTS) - rank + len(terms[i]) - 3 :]
        terms[i] = terms[i].replace("...", own)
    longest = max(dots, key=len, default="")
    if not arrow:
        letters = "".join(terms)
        once = sorted(x for x in set(letters) - set(_DOTS) if letters.count(x) == 1)
        return terms, longest + "".join(once)
    return terms, right.replace("...", longest)


_DOTS = "STUVWXYZ"


def bilinear(walk: Walk, call: Call) -> Axes:
    """Each output sums products of both inputs' units."""
    *batch, one = walk.of(call["input1"])
    *others, two = walk.of(call["input2"])
    out, left, right = walk.of(call["weight"])
    for name, axis, own in (("input1", one, left), ("input2", two, right)):
        walk.contract(call, call[name], len(batch))
        walk.unify(call, axis, own)
    if call["bias"] is not None:
        walk.unify(call, out, walk.of(call["bias"])[0])
    return [*(walk.unify(call, a, b) for a, b in zip(batch, others, strict=True)), out]


def tensordot(walk: Walk, call: Call) -> Axes:
    """`tensordot`: sums over the pairs of dimensions."""
    one, other = walk.of(call["self"]), walk.of(call["other"])
    pairs = [
        (i % len(one), j % len(other))
        for i, j in zip(call["dims_self"], call["dims_other"], strict=True)
    ]
    for i, j in pairs:
        walk.contract(call, call["self"], i)
        walk.unify(call, one[i], other[j])
    ours, theirs = {i for i, _ in pairs}, {j for _, j in pairs}
    return [
        *(axis for i, axis in enumerate(one) if i not in ours),
        *(axis for j, axis in enumerate(other) if j not in theirs),
    ]


def distances(walk: Walk, call: Call) -> Axes:
    """`cdist`: silent on both sides is at no distance; weights are not silent."""
    x, y = walk.of(call["x1"]), walk.of(call["x2"])
    _compared(walk, call, {"x1": len(x) - 1, "x2": len(y) - 1})
    walk.unify(call, x[-1], y[-1])
    batch = walk.broadcast_to(
        call,
        [(x[:-2], walk.shape(call["x1"])[:-2]), (y[:-2], walk.shape(call["x2"])[:-2])],
        walk.output_shapes(call)[0][:-2],
    )
    return [*batch, x[-2], y[-2]]


def cosine(walk: Walk, call: Call) -> Axes:
    """`cosine_similarity`: sums over one dimension."""
    axes = elementwise_of(walk, call, (call["x1"], call["x2"]))
    dim = call["dim"] % len(axes)
    ranks = {name: len(walk.shape(call[name])) for name in ("x1", "x2")}
    places = {name: dim - len(axes) + rank for name, rank in ranks.items()}
    _compared(walk, call, {name: at for name, at in places.items() if at >= 0})
    return axes[:dim] + axes[dim + 1 :]


def _compared(walk: Walk, call: Call, dims: Mapping[str, int]) -> None:
    """Operands by name that are summed over a dimension; points that are weights stay in it."""
    for name, dim in dims.items():
        walk.contract(call, call[name], dim)
        if call[name] not in walk.activations:
            walk.labels.mark_inexact(walk.of(call[name])[dim])


def elementwise_of(walk: Walk, call: Call, nodes: Sequence[fx.Node]) -> Axes:
    """Labels of operands broadcast together, before anything is summed."""
    shapes = [walk.shape(node) for node in nodes]
    operands = [(walk.of(n), s) for n, s in zip(nodes, shapes, strict=True)]
    shape: Sequence[int] = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return walk.broadcast_to(call, operands, shape)


CONVOLUTIONS = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d "
    "convolution"
)

RULES: dict[str, Rule] = {
    "linear": linear,
    **dict.fromkeys(CONVOLUTIONS.split(), convolution),
    **dict.fromkeys(("matmul", "bmm", "mm"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), added_matmul),
    **dict.fromkeys(("dot", "vdot", "mv"), dot),
    **dict.fromkeys(("outer", "ger"), outer),
    "scaled_dot_product_attention": attention,
    "einsum": einsum,
    "bilinear": bilinear,
    "tensordot": tensordot,
    "cdist": distances,
    "cosine_similarity": cosine,
}
