"""Operators that read or write at places given by a tensor, or into a part of another tensor."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from edgekit.graph.labels import Axes, Axis
from edgekit.graph.propagate import Call, Outputs, Rule, Walk
from edgekit.graph.rules.indexing import slice_bounds


def along_places(walk: Walk, call: Call) -> Axes:
    """`gather`, `scatter` and kin: along `dim` by index, elsewhere element for element."""
    nodes = _tensors(call)
    dim = call["dim"] % len(walk.shape(call["self"]))
    result = walk.of(call["index"] if call.name == "gather" else call["self"])
    for i in range(len(result)):
        pieces = [walk.of(node)[i] for node in nodes]
        sizes = {walk.shape(node)[i] for node in nodes}
        if i == dim or len(sizes) > 1:
            _freeze(walk, call, pieces)
            result[i] = None
        else:
            result[i] = walk.unify(call, *pieces) if sizes != {1} else None
    return result


def rows_added(walk: Walk, call: Call) -> Axes:
    """`index_add` and `index_copy`: whole slices of a source at places along `dim`."""
    axes, source = walk.of(call["self"]), walk.of(call["source"])
    dim = call["dim"] % len(axes)
    for i, size in enumerate(walk.shape(call["self"])):
        if i == dim:
            _freeze(walk, call, [axes[i], source[i]])
            axes[i] = None
        elif size > 1:
            axes[i] = walk.unify(call, axes[i], source[i])
    return axes


def placed(walk: Walk, call: Call) -> Axes | Outputs:
    """`index_put` along leading dimensions: values are laid over the dimensions that follow."""
    axes, indices = walk.of(call["self"]), call["indices"]
    places = [i for i, index in enumerate(indices) if index is not None]
    if places != list(range(len(indices))):
        return walk.barred(call, "writes at places along later dimensions")
    for i in places:
        _freeze(walk, call, [axes[i], *walk.of(indices[i])])
        axes[i] = None
    shape, values = walk.shape(call["self"]), call["values"]
    rest = len(shape) - _covered(indices)
    trailing, sizes = (
        walk.of(values)[-rest or None :],
        walk.shape(values)[-rest or None :],
    )
    for k in range(1, min(rest, len(sizes)) + 1):
        if shape[-k] > 1:
            other = trailing[-k] if sizes[-k] == shape[-k] else None
            if sizes[-k] == shape[-k]:
                axes[-k] = walk.unify(call, axes[-k], other)
    for axis in walk.of(values)[: max(len(sizes) - rest, 0)]:
        _freeze(walk, call, [axis])
    return axes


def _covered(indices: Sequence[fx.Node]) -> int:
    """Number of indexed dimensions: a mask covers as many as it has."""
    return sum(
        index.meta["val"].dim() if str(index.meta["val"].dtype) == "torch.bool" else 1
        for index in indices
    )


def slice_written(walk: Walk, call: Call) -> Axes | Outputs:
    """`slice_scatter`: a part of a dimension is written over, element for element."""
    axes, source = walk.of(call["self"]), walk.of(call["src"])
    dim = call["dim"] % len(axes)
    bounds = (call["start"], call["end"])
    if call["step"] != 1 or any(isinstance(bound, fx.Node) for bound in bounds):
        return walk.barred(call, "writes with a step or at a computed place")
    shape = walk.shape(call["self"])
    first, last = slice_bounds(shape[dim], *bounds)
    for i, size in enumerate(shape):
        own = axes[i]
        part = own[first:last] if i == dim and own is not None else own
        if size > 1 and (i != dim or last - first > 1):
            tied = walk.unify(call, part, source[i])
            axes[i] = tied if i != dim else own
        elif i == dim:
            walk.freeze(call, part, "is written alone")
    return axes


def one_written(walk: Walk, call: Call) -> Axes:
    """`select_scatter`: one element of a dimension is written over; that one stays."""
    axes, source = walk.of(call["self"]), walk.of(call["src"])
    dim, index = call["dim"] % len(axes), call["index"]
    whole = axes[dim]
    if whole is not None:
        one = isinstance(index, int)
        walk.freeze(call, (whole[index],) if one else whole, "is written alone")
    rest = [i for i in range(len(axes)) if i != dim]
    for i, own in zip(rest, source, strict=True):
        if walk.shape(call["self"])[i] > 1:
            axes[i] = walk.unify(call, axes[i], own)
    return axes


def bag(walk: Walk, call: Call) -> Outputs:
    """`embedding_bag`: rows by index, summed, averaged or the largest of each."""
    rows, width = walk.of(call["weight"])
    walk.freeze(call, rows, "is looked up by index")
    walk.labels.mark_role(width, "embedding")
    first, *others = walk.output_shapes(call)
    labels: Axes = [*[None] * (len(first) - 1), width]
    return [labels, *(_plain(shape) for shape in others)]


def _plain(shape: Sequence[int]) -> Axes:
    return [None] * len(shape)


def _tensors(call: Call) -> list[fx.Node]:
    given = [call["self"], call["index"], call.get("src")]
    return [node for node in given if isinstance(node, fx.Node)]


def _freeze(walk: Walk, call: Call, axes: Sequence[Axis]) -> None:
    for axis in axes:
        walk.freeze(call, axis, "is read or written by index", barrier=True)


SCATTERS = "gather scatter scatter_add scatter_reduce"
RULES: dict[str, Rule] = {
    **dict.fromkeys(SCATTERS.split(), along_places),
    **dict.fromkeys(("index_add", "index_copy"), rows_added),
    **dict.fromkeys(("index_put", "_unsafe_index_put"), placed),
    "slice_scatter": slice_written,
    "select_scatter": one_written,
    **dict.fromkeys(("embedding_bag", "_embedding_bag"), bag),
}
