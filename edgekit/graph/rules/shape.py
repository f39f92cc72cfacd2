"""Operators that rearrange dimensions: views, permutations, concatenation, splits, expansion."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.graph.labels import Axes, Axis, merge
from edgekit.graph.propagate import Call, Outputs, Rule, Walk


def view(walk: Walk, call: Call) -> Axes:
    """`view`, `reshape`: dimensions are split and merged."""
    (shape, *_) = walk.output_shapes(call)
    return reshape(walk, call, walk.of(call["self"]), walk.shape(call["self"]), shape)


def reshape(
    walk: Walk, call: Call, axes: Axes, old: Sequence[int], new: Sequence[int]
) -> Axes:
    """Match runs of dimensions of equal product; merge the labels of each, split them again.

    Dimensions of size 1 match nothing and carry nothing.
    """
    sources = [i for i, size in enumerate(old) if size != 1]
    targets = [i for i, size in enumerate(new) if size != 1]
    result: Axes = [None] * len(new)
    while sources or targets:
        ours, theirs = [sources.pop(0)], [targets.pop(0)]
        have, want = old[ours[0]], new[theirs[0]]
        while have != want:
            if have < want:
                ours.append(sources.pop(0))
                have *= old[ours[-1]]
            else:
                theirs.append(targets.pop(0))
                want *= new[theirs[-1]]
        whole = merge([axes[i] for i in ours], [old[i] for i in ours])
        if len(ours) == len(theirs) == 1:
            whole = axes[ours[0]]
        for i in theirs[:-1]:
            have //= new[i]
            result[i], whole = walk.split(call, whole, new[i], have)
        result[theirs[-1]] = whole
    return result


def unsqueeze(walk: Walk, call: Call) -> Axes:
    """`unsqueeze`: a new dimension without units."""
    axes = walk.of(call["self"])
    dim = call["dim"] % (len(axes) + 1)
    return [*axes[:dim], None, *axes[dim:]]


def transpose(walk: Walk, call: Call) -> Axes:
    """`transpose`: two dimensions swap."""
    axes = walk.of(call["self"])
    names = ("dim0", "dim1") if call.get("dim0") is not None else ("axis0", "axis1")
    i, j = (call[name] for name in names)
    axes[i], axes[j] = axes[j], axes[i]
    return axes


def reverse(walk: Walk, call: Call) -> Axes:
    """`numpy_T`: the dimensions in reverse."""
    return walk.of(call["self"])[::-1]


def matrix_transpose(walk: Walk, call: Call) -> Axes:
    """`mT`: the last two dimensions swap."""
    *batch, rows, columns = walk.of(call["self"])
    return [*batch, columns, rows]


def permute(walk: Walk, call: Call) -> Axes:
    """`permute`: the dimensions in a new order."""
    axes = walk.of(call["self"])
    return [axes[dim] for dim in call["dims"]]


def moved(walk: Walk, call: Call) -> Axes:
    """`movedim` and friends, read off a permutation of dimension numbers."""
    axes = walk.of(call["self"])
    source, target = (
        [d % len(axes) for d in ([v] if isinstance(v, int) else v)]
        for v in (call["source"], call["destination"])
    )
    rest = [i for i in range(len(axes)) if i not in source]
    order = dict(zip(target, source, strict=True))
    return [axes[order[i] if i in order else rest.pop(0)] for i in range(len(axes))]


def concatenate(walk: Walk, call: Call) -> Axes:
    """`cat`: the operands' units one after another."""
    nodes = [n for n in call["tensors"] if walk.shape(n) != (0,)]
    dim = call["dim"] % len(walk.shape(nodes[0]))
    parts = [walk.of(node) for node in nodes]
    result: Axes = []
    for i in range(len(parts[0])):
        pieces = [part[i] for part in parts]
        if i != dim:
            result.append(_same(walk, call, pieces, walk.shape(nodes[0])[i]))
        elif all(piece is None for piece in pieces):
            result.append(None)
        else:
            sizes = [walk.shape(node)[dim] for node in nodes]
            result.append(_joined(pieces, sizes))
    return result


def _same(walk: Walk, call: Call, pieces: Axes, size: int) -> Axis:
    return walk.unify(call, *pieces) if size != 1 else None


def _joined(pieces: Axes, sizes: Sequence[int]) -> Axis:
    joined: list[tuple[int, ...]] = []
    for piece, size in zip(pieces, sizes, strict=True):
        joined.extend(piece if piece is not None else ((),) * size)
    return tuple(joined)


def stack(walk: Walk, call: Call) -> Axes:
    """`stack`: a new dimension; the operands' axes are tied."""
    nodes = call["tensors"]
    shape = walk.shape(nodes[0])
    parts = [walk.of(node) for node in nodes]
    dim = call["dim"] % (len(shape) + 1)
    axes = [
        _same(walk, call, [p[i] for p in parts], shape[i]) for i in range(len(shape))
    ]
    return [*axes[:dim], None, *axes[dim:]]


def split(walk: Walk, call: Call) -> Outputs:
    """`split`, `chunk`: runs of the dimension's units."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    whole, start, outputs = axes[dim], 0, []
    for shape in walk.output_shapes(call):
        end = start + shape[dim]
        part = whole[start:end] if whole is not None and end - start > 1 else None
        if whole is not None and end - start == 1:
            walk.freeze(call, whole[start:end], "is split off alone")
        outputs.append([*axes[:dim], part, *axes[dim + 1 :]])
        start = end
    return outputs


def expand(walk: Walk, call: Call) -> Axes:
    """A dimension expanded from 1 is new: it may shrink with whatever it meets."""
    (shape, *_) = walk.output_shapes(call)
    own = walk.shape(call["self"])
    axes, lead = walk.of(call["self"]), len(shape) - len(own)
    other = walk.of(call["other"]) if call.get("other") is not None else None
    result: Axes = []
    for i, size in enumerate(shape):
        if i >= lead and own[i - lead] == size:
            result.append(axes[i - lead])
        else:
            result.append(other[i] if other is not None else walk.labels.fresh(size))
    if other is not None:
        return [walk.unify(call, a, b) for a, b in zip(result, other, strict=True)]
    return result


def tile(walk: Walk, call: Call) -> Axes:
    """`repeat`: whole copies one after the other, each a unit of a new dimension."""
    own, counts = walk.shape(call["self"]), walk.sizes_of(call["repeats"])
    axes, lead = walk.of(call["self"]), len(counts) - len(own)
    copies = [walk.labels.fresh(count) for count in counts]
    walk.notes[call.node] = tuple(copies)
    result: Axes = []
    for i, count in enumerate(counts):
        axis, size = (None, 1) if i < lead else (axes[i - lead], own[i - lead])
        result.append(merge([copies[i], axis], [count, size]))
    return result


def repeat_interleave(walk: Walk, call: Call) -> Axes:
    """Each element several times in a row; the repeats are units of a new dimension."""
    axes, repeats, dim = walk.of(call["self"]), call["repeats"], call["dim"]
    if not isinstance(repeats, int) or dim is None:
        for axis in axes:
            walk.freeze(call, axis, "repeats by a tensor", barrier=True)
        return [None] * len(walk.output_shapes(call)[0])
    copies = walk.labels.fresh(repeats)
    walk.notes[call.node] = (copies,)
    size = walk.shape(call["self"])[dim]
    axes[dim] = merge([axes[dim], copies], [size, repeats])
    return axes


def pixel_shuffle(walk: Walk, call: Call) -> Axes:
    """Channels (c, r, r) to c channels on a finer grid; a channel goes with its r * r."""
    *batch, channels, _, _ = walk.of(call["self"])
    size, factor = walk.shape(call["self"])[-3], call["upscale_factor"]
    axis, fine = walk.split(call, channels, size // factor**2, factor**2)
    walk.freeze(call, fine, "becomes space")
    return [*batch, axis, None, None]


def pixel_unshuffle(walk: Walk, call: Call) -> Axes:
    """`pixel_unshuffle`: every channel becomes factor x factor channels."""
    *batch, channels, _, _ = walk.of(call["self"])
    size, factor = walk.shape(call["self"])[-3], call["downscale_factor"]
    return [*batch, merge([channels, None], [size, factor**2]), None, None]


def unfolded(walk: Walk, call: Call) -> Axes:
    """`im2col`: a channel for every place in the window, side by side."""
    *batch, channels, _, _ = walk.of(call["self"])
    size = walk.shape(call["self"])[-3]
    window = math.prod(call["kernel_size"])
    return [*batch, merge([channels, None], [size, window]), None]


def folded(walk: Walk, call: Call) -> Axes:
    """`col2im`: the places in the window become space again."""
    *batch, channels, _ = walk.of(call["self"])
    size, window = walk.shape(call["self"])[-2], math.prod(call["kernel_size"])
    axis, places = walk.split(call, channels, size // window, window)
    walk.freeze(call, places, "becomes space")
    return [*batch, axis, None, None]


def channel_shuffle(walk: Walk, call: Call) -> Axes:
    """`channel_shuffle`: channels change places between groups."""
    axes, channels = walk.of(call["self"]), walk.shape(call["self"])[1]
    groups = call["groups"]
    group, within = walk.split(call, axes[1], groups, channels // groups)
    walk.notes[call.node] = (group,)
    axes[1] = merge([within, group], [channels // groups, groups])
    return axes


def glu(walk: Walk, call: Call) -> Axes:
    """The dimension's first half times a gate made from the second."""
    axes = walk.of(call["self"])
    dim = call["dim"] % len(axes)
    if axes[dim] is not None:
        whole = axes[dim] or ()
        half = len(whole) // 2
        axes[dim] = walk.unify(call, whole[:half], whole[half:]) if half > 1 else None
        if half == 1:
            walk.freeze(call, whole, "has a single gate")
    return axes


VIEWS = "view reshape flatten unflatten _unsafe_view squeeze view_as reshape_as _reshape_alias"

RULES: dict[str, Rule] = {
    **dict.fromkeys(VIEWS.split(), view),
    "unsqueeze": unsqueeze,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), transpose),
    **dict.fromkeys(("t", "numpy_T"), reverse),
    **dict.fromkeys(("mT", "adjoint"), matrix_transpose),
    "permute": permute,
    **dict.fromkeys(("movedim", "moveaxis"), moved),
    **dict.fromkeys(("cat", "concat", "concatenate"), concatenate),
    "stack": stack,
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "tensor_split"), split),
    **dict.fromkeys(("expand", "expand_as"), expand),
    **dict.fromkeys(("repeat", "tile"), tile),
    "repeat_interleave": repeat_interleave,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "im2col": unfolded,
    "col2im": folded,
    "channel_shuffle": channel_shuffle,
    "glu": glu,
}
