"""Operators that move elements, and shapes, which are numbers of Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from edgekit.program.channel_order import Value, agreed
from edgekit.sources.tflite.file import TO_FIRST, TO_LAST
from edgekit.sources.tflite.operators.elements import activated
from edgekit.sources.tflite.walk import Call, computes


@computes("RESHAPE")
def reshape(call: Call) -> Any:
    """Compute TFLite's `RESHAPE`."""
    if call.is_host(0):
        return call.host(0)
    if dilated(call):
        return rows_for_convolution(call)
    x = call.value(0).last()
    sizes = call.host(1) if call.has(1) else list(call.option("NewShapeAsNumpy"))
    return Value(x.reshape(_freed(x, [*map(_plain, sizes)], call.shape(0))))


def _plain(size: Any) -> Any:
    """A size as a number of Python; one of the batch's as it is."""
    return int(size) if isinstance(size, np.integer) else size


def _freed(x: torch.Tensor, sizes: list[Any], said: tuple[int, ...]) -> list[Any]:
    """A shape with the batch in the place of the file's own batch, 1."""
    fixed = sizes and type(sizes[0]) is int and said and sizes[0] == said[0]
    return [x.shape[0], *sizes[1:]] if fixed else sizes


@computes("SQUEEZE")
def squeeze(call: Call) -> Value:
    """Compute TFLite's `SQUEEZE`."""
    if dilated(call):
        return rows_for_convolution(call)
    x = call.value(0).last()
    given = call.option("SqueezeDimsAsNumpy", 0)
    listed = [] if isinstance(given, int) else [int(n) % x.ndim for n in given]
    axes = listed or [n for n in range(1, x.ndim) if x.shape[n] == 1]
    return Value(x.squeeze(axes))


@computes("EXPAND_DIMS")
def expand(call: Call) -> Any:
    """Compute TFLite's `EXPAND_DIMS`."""
    if call.is_host(0):
        return call.host(0)
    if dilated(call):
        return rows_for_convolution(call)
    [axis] = call.host(1)
    return Value(call.value(0).last().unsqueeze(int(axis)))


def dilated(call: Call) -> bool:
    """Return whether an operator stands between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND."""
    return call.operator.inputs[0] in call.walk.dilated


def rows_for_convolution(call: Call) -> Value:
    """Rows (n, w, c) as images (n, 1, w, c) or back, in a dilated space, where the file's own
    sizes are of the space's parts."""
    x = call.value(0).last()
    given, made = len(call.shape(0)), call.walk.graph.tensors[call.operator.outputs[0]]
    expected = len(made.shape)
    if (given, expected) == (3, 4) and made.shape[1] == 1:
        found = x.unsqueeze(1)
    elif (given, expected) == (4, 3) and call.shape(0)[1] == 1:
        found = x.squeeze(1)
    else:
        raise ValueError(
            "it changes a dilated space in another way than rows to images"
        )
    call.walk.dilated[call.operator.outputs[0]] = call.walk.dilated[
        call.operator.inputs[0]
    ]
    return Value(found)


@computes("TRANSPOSE")
def transpose(call: Call) -> Value:
    """Compute TFLite's `TRANSPOSE`."""
    value, order = call.value(0), [int(n) for n in call.host(1)]
    if order == TO_LAST and not value.first:
        return Value(value.data, True)
    if order == TO_FIRST and value.first:
        return Value(value.data)
    return Value(value.last().permute(order))


@computes("SHAPE")
def shape(call: Call) -> list[Any]:
    """Compute TFLite's `SHAPE`."""
    return list(call.value(0).shape)


@computes("RANK")
def rank(call: Call) -> list[Any]:
    """Compute TFLite's `RANK`."""
    return [call.value(0).rank]


@computes("PACK")
def pack(call: Call) -> Any:
    """Compute TFLite's `PACK`."""
    numbers = range(len(call.operator.inputs))
    if all(call.is_host(n) for n in numbers):
        return [each for n in numbers for each in call.host(n)]
    tensors = [call.value(n).last() for n in numbers]
    return Value(torch.stack(tensors, int(call.option("Axis"))))


@computes("UNPACK")
def unpack(call: Call) -> Any:
    """Compute TFLite's `UNPACK`."""
    if call.is_host(0):
        return tuple([each] for each in call.host(0))
    return tuple(map(Value, call.value(0).last().unbind(int(call.option("Axis")))))


@computes("CONCATENATION")
def concatenate(call: Call) -> Any:
    """Compute TFLite's `CONCATENATION`."""
    numbers = range(len(call.operator.inputs))
    if all(call.is_host(n) for n in numbers):
        return [each for n in numbers for each in call.host(n)]
    tensors, first = agreed([call.value(n) for n in numbers])
    axis = Value(tensors[0], first).axis(int(call.option("Axis")))
    return activated(call, Value(torch.cat(tensors, axis), first))


@computes("SPLIT", "SPLIT_V")
def split(call: Call) -> Any:
    """Compute TFLite's `SPLIT` and `SPLIT_V`."""
    plain = call.kind == "SPLIT"
    value = call.value(1 if plain else 0)
    [axis] = call.host(0 if plain else 2)
    at = value.axis(int(axis))
    if plain:
        size = value.data.shape[at] // int(call.option("NumSplits"))
        pieces = torch.split(value.data, size, at)
    else:
        sizes = [int(n) for n in call.host(1)]
        rest = value.data.shape[at] - sum(n for n in sizes if n >= 0)
        pieces = torch.split(value.data, [rest if n < 0 else n for n in sizes], at)
    return tuple(Value(piece, value.first) for piece in pieces)


@computes("SLICE")
def slices(call: Call) -> Any:
    """Compute TFLite's `SLICE`."""
    begins, sizes = call.host(1), call.host(2)
    if call.is_host(0):
        return call.host(0)[begins[0] :][: sizes[0] if sizes[0] >= 0 else None]
    value, said = call.value(0), call.shape(0)
    data = value.data
    for dim, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        at = value.axis(dim)
        if begin == 0 and (size == -1 or (type(size) is int and size == said[dim])):
            continue
        length = data.shape[at] - begin if size == -1 else size
        data = data.narrow(at, begin, length)
    return Value(data, value.first)


@computes("STRIDED_SLICE")
def strided(call: Call) -> Any:
    """Compute TFLite's `STRIDED_SLICE`."""
    begins, ends, steps = (call.host(n) for n in (1, 2, 3))
    masks = {
        name: int(call.option(f"{name}Mask"))
        for name in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")
    }
    if masks["Ellipsis"] or masks["NewAxis"]:
        raise ValueError("an ellipsis or new axis is not supported")
    index: list[Any] = []
    for dim, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        if masks["ShrinkAxis"] >> dim & 1:
            index.append(begin)
            continue
        start = None if masks["Begin"] >> dim & 1 else begin
        stop = None if masks["End"] >> dim & 1 else end
        if dim == 0 and not call.is_host(0) and stop == call.shape(0)[0]:
            stop = None  # the file's own batch
        index.append(slice(start, stop, step))
    if call.is_host(0):
        found = call.host(0)[index[0]]
        return found if isinstance(found, list) else [found]
    if any(isinstance(each, slice) and (each.step or 1) < 0 for each in index):
        raise ValueError("a step below 0 is not supported")
    return Value(call.value(0).last()[tuple(index)])


@computes("GATHER")
def gather(call: Call) -> Any:
    """Compute TFLite's `GATHER`."""
    axis = int(call.option("Axis"))
    if call.is_host(0):
        return [call.host(0)[int(n)] for n in call.host(1)]
    if call.option("BatchDims"):
        raise ValueError("batch_dims is not supported")
    x, at = call.value(0).last(), call.value(1).last().long()
    axis %= x.ndim
    found = x.index_select(axis, at.reshape(-1))
    return Value(found.reshape(*x.shape[:axis], *at.shape, *x.shape[axis + 1 :]))


@computes("PAD", "PADV2", "MIRROR_PAD")
def pad(call: Call) -> Value:
    """Compute TFLite's `PAD`, `PADV2` and `MIRROR_PAD`."""
    sides = [int(n) for n in call.host(1)]
    value = call.value(0)
    by_dim = {
        value.axis(n): (sides[2 * n], sides[2 * n + 1]) for n in range(value.rank)
    }
    flat = [side for dim in reversed(range(value.rank)) for side in by_dim[dim]]
    while flat and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    if not flat:
        return value
    if call.kind == "MIRROR_PAD":
        if call.option("Mode") != 0:
            raise ValueError("its symmetric mode is not supported")
        return Value(F.pad(value.data, flat, mode="reflect"), value.first)
    fill = call.number(2) if call.kind == "PADV2" else 0.0
    return Value(F.pad(value.data, flat, value=fill), value.first)


@computes("TILE")
def tile(call: Call) -> Value:
    """Compute TFLite's `TILE`."""
    return Value(call.value(0).last().repeat(*[int(n) for n in call.host(1)]))


@computes("BROADCAST_TO")
def broadcast(call: Call) -> Value:
    """Compute TFLite's `BROADCAST_TO`."""
    x = call.value(0).last()
    return Value(x.expand(call.host(1)))


@computes("FILL")
def fill(call: Call) -> Any:
    """Compute TFLite's `FILL`."""
    sizes = call.host(0)
    if call.is_host(1) and len(sizes) == 1 and type(sizes[0]) is int:
        return call.host(1) * sizes[0]
    return Value(call.value(1).last().reshape(()).expand(sizes))


@computes("REVERSE_V2")
def reverse(call: Call) -> Value:
    """Compute TFLite's `REVERSE_V2`."""
    value = call.value(0)
    return value.mapped(lambda x: x.flip([value.axis(int(n)) for n in call.host(1)]))


@computes("CUMSUM")
def cumulative(call: Call) -> Value:
    """Compute TFLite's `CUMSUM`."""
    if call.option("Exclusive") or call.option("Reverse"):
        raise ValueError("exclusive and reverse sums are not supported")
    value = call.value(0)
    [axis] = call.host(1)
    return value.mapped(lambda x: x.cumsum(value.axis(int(axis))))


@computes("EMBEDDING_LOOKUP")
def embedding(call: Call) -> Value:
    """Compute TFLite's `EMBEDDING_LOOKUP`."""
    return Value(F.embedding(call.value(0).last().long(), call.weight(1)))
