"""Normalization, reductions and softmax: exact, inexact or a barrier.

Batch norm treats each channel alone. A statistic taken over a dimension changes when the dimension
shrinks, so units of that dimension are marked inexact: a mean, a softmax and an extreme are then
taken over what stays. So is all that is summed over weights, such as a weight norm: zeroing a
unit's activations would leave its weights in the sum.
"""

from __future__ import annotations

import operator

from edgekit.graph.labels import Axes
from edgekit.graph.propagate import Call, Outputs, Rule, Walk
from edgekit.graph.rules.elementwise import elementwise


def per_channel(walk: Walk, call: Call) -> Axes:
    """Batch and instance norm: each channel by itself, over what stays of the rest."""
    axes = walk.of(call["input"])
    if call.get("training") or call.get("use_input_stats"):
        for axis in (axes[0], *axes[2:]):
            walk.labels.mark_inexact(axis)
    names = ("weight", "bias", "running_mean", "running_var")
    present = [walk.of(call[n])[0] for n in names if call.get(n) is not None]
    if present and walk.shape(call["input"])[1] > 1:
        walk.unify(call, axes[1], *present)
    return axes


def layer_norm(walk: Walk, call: Call) -> Axes:
    """`layer_norm`: the affine parameters have the units of the normalized dimensions."""
    axes = walk.of(call["input"])
    count = len(call["normalized_shape"])
    affine = [walk.of(call[n]) for n in ("weight", "bias") if call.get(n) is not None]
    for i in range(-count, 0):
        if walk.shape(call["input"])[i] > 1:
            axes[i] = walk.unify(call, axes[i], *(p[i] for p in affine))
        walk.labels.mark_inexact(axes[i])
        walk.labels.mark_role(axes[i], "embedding")
    return axes


def group_norm(walk: Walk, call: Call) -> Axes:
    """Whole groups leave the others' statistics alone; channels within a group do not."""
    axes, channels = walk.of(call["input"]), walk.shape(call["input"])[1]
    affine = [
        walk.of(call[n])[0] for n in ("weight", "bias") if call.get(n) is not None
    ]
    if channels > 1:
        axes[1] = walk.unify(call, axes[1], *affine)
    groups = call["num_groups"]
    group, within = walk.split(call, axes[1], groups, channels // groups)
    walk.notes[call.node] = (group,)
    walk.labels.mark_inexact(within)
    if 1 < groups < channels:
        walk.labels.mark_role(group, "group")
    return axes


def weight_norm(walk: Walk, call: Call) -> Axes:
    """A direction over its length, times a gain; the length counts what stays."""
    axes, gain = walk.of(call["v"]), walk.of(call["g"])
    for dim, axis in enumerate(axes):
        if walk.shape(call["g"])[dim] > 1:
            axes[dim] = walk.unify(call, axis, gain[dim])
        else:
            walk.labels.mark_inexact(axis)
    return axes


def reduced_dims(walk: Walk, call: Call) -> list[int]:
    """The dimensions that a call reduces, not negative; all of them by default."""
    rank = len(walk.shape(call["self"]))
    dims = call.get("dim")
    if dims is None or dims == []:
        return list(range(rank))
    return sorted(d % rank for d in ([dims] if isinstance(dims, int) else dims))


def _without(walk: Walk, call: Call, dims: list[int]) -> Axes:
    axes = walk.of(call["self"])
    if call.get("keepdim"):
        return [None if i in dims else axis for i, axis in enumerate(axes)]
    return [axis for i, axis in enumerate(axes) if i not in dims]


def summed(walk: Walk, call: Call) -> Axes:
    """Sums and norms: what is removed would have added zero, but for sums over weights."""
    dims = reduced_dims(walk, call)
    for dim in dims:
        walk.contract(call, call["self"], dim)
        if call["self"] not in walk.activations:
            walk.labels.mark_inexact(walk.of(call["self"])[dim])
    return _without(walk, call, dims)


def averaged(walk: Walk, call: Call) -> Axes | Outputs:
    """Means and variances: the count changes with the dimension."""
    dims = reduced_dims(walk, call)
    for dim in dims:
        walk.labels.mark_inexact(walk.of(call["self"])[dim])
    axes = _without(walk, call, dims)
    return [axes, list(axes)] if call.name in ("var_mean", "std_mean") else axes


def selected(walk: Walk, call: Call) -> Axes | Outputs:
    """Extremes over a dimension, of what stays: a removed element might have been the one.

    Values do not give a place where elements leave: `argmax` is a barrier.
    """
    if call.get("other") is not None:
        return elementwise(walk, call)
    dims = reduced_dims(walk, call)
    places = call.name.startswith("arg") or _uses_places(walk, call)
    for dim in dims:
        axis = walk.of(call["self"])[dim]
        walk.labels.mark_inexact(axis)
        if places:
            walk.freeze(call, axis, "gives places in this dimension", barrier=True)
    axes = _without(walk, call, dims)
    multiple = isinstance(call.node.meta["val"], list | tuple)
    return [axes, list(axes)] if multiple else axes


def _uses_places(walk: Walk, call: Call) -> bool:
    """Return whether the indices that come with an extreme are read."""
    return any(
        user in walk.live and user.target is operator.getitem and user.args[1] == 1
        for user in call.node.users
    )


def along(walk: Walk, call: Call) -> Axes:
    """Softmax and cumulative products, over what stays of the dimension."""
    axes = walk.of(call["self"])
    walk.labels.mark_inexact(axes[call["dim"] % len(axes)])
    return axes


def accumulated(walk: Walk, call: Call) -> Axes:
    """Cumulative sums: what is removed would have added zero."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    walk.contract(call, call["self"], dim)
    if call["self"] not in walk.activations:
        walk.labels.mark_inexact(axes[dim])
    return axes


def flipped(walk: Walk, call: Call) -> Axes:
    """Labels in reverse, like the elements."""
    axes = walk.of(call["self"])
    for dim in call["dims"]:
        axis = axes[dim]
        axes[dim] = None if axis is None else axis[::-1]
    return axes


def ranked(walk: Walk, call: Call) -> Axes | Outputs:
    """Sorting and the largest few: where an element ends up depends on all values."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    walk.freeze(call, axes[dim], f"{call.name} over this dimension", barrier=True)
    axes[dim] = None
    multiple = isinstance(call.node.meta["val"], list | tuple)
    return [axes, list(axes)] if multiple else axes


RANKED = "sort argsort topk kthvalue median mode cummax cummin"

RULES: dict[str, Rule] = {
    **dict.fromkeys(("batch_norm", "instance_norm"), per_channel),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    "group_norm": group_norm,
    "_weight_norm": weight_norm,
    **dict.fromkeys(("sum", "linalg_vector_norm", "norm"), summed),
    **dict.fromkeys(("mean", "var", "std", "var_mean", "std_mean"), averaged),
    **dict.fromkeys(("amax", "amin", "max", "min", "argmax", "argmin"), selected),
    **dict.fromkeys(("prod", "any", "all", "logsumexp"), selected),
    **dict.fromkeys(("softmax", "_safe_softmax", "log_softmax", "cumprod"), along),
    "cumsum": accumulated,
    "flip": flipped,
    **dict.fromkeys(RANKED.split(), ranked),
}
