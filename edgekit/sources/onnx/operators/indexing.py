"""Operators that pick, place and order elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import SymInt, Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.operators.shapes import torch_dtype
from edgekit.sources.onnx.registry import on_known, operator
from edgekit.sources.onnx.values import (
    Known,
    Value,
    axes_of,
    known,
    normalized,
    number,
    numbers,
    symbolic,
    whole,
)

_ENDLESS = 2**31 - 1


@operator("Gather", raw=(0, 1))
def gather(call: Call, x: Value, indices: Value) -> Tensor:
    """Compute ONNX's `Gather`."""
    axis = normalized(call.get("axis", 0), x.ndim)
    if isinstance(indices, np.ndarray) and not symbolic(indices):
        return _picked(call, call.tensor(x), indices, axis)
    where = call.tensor(indices)
    table = call.tensor(x, "weight")
    size = x.shape[axis]
    if axis == 0 and table.ndim == 2 and isinstance(x, np.ndarray):
        return F.embedding(where.long(), table)
    where = torch.where(where < 0, where + size, where).long()
    flat = torch.index_select(table, axis, where.reshape(-1))
    return flat.reshape(*x.shape[:axis], *where.shape, *x.shape[axis + 1 :])


def _picked(call: Call, x: Tensor, indices: Known, axis: int) -> Tensor:
    size = x.shape[axis]
    if isinstance(size, SymInt):
        raise call.refuse(
            "picks samples of the batch by number: the file computes one sample alone"
        )
    places = [int(i) + (size if i < 0 else 0) for i in indices.ravel()]
    if indices.ndim == 0:
        return x.select(axis, places[0])
    first, step = places[0] if places else 0, 1
    if places == list(range(first, first + len(places), step)) and places:
        flat = x.narrow(axis, first, len(places))
    else:
        flat = torch.index_select(x, axis, call.tensor(np.array(places, np.int64)))
    if indices.ndim == 1:
        return flat
    return flat.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@on_known("Gather")
def _gather_known(call: Call, x: Known, indices: Known) -> Known:
    return known(np.take(x, indices.astype(np.int64), call.get("axis", 0)))


@operator("Slice", known=(1, 2, 3, 4))
@on_known("Slice")
def slice_(
    call: Call,
    x: Value,
    starts: Known | None = None,
    ends: Known | None = None,
    axes: Known | None = None,
    steps: Known | None = None,
) -> Value:
    """Compute ONNX's `Slice`."""
    first = call.get("starts") if starts is None else whole(starts)
    last = call.get("ends") if ends is None else whole(ends)
    places = call.get("axes") if axes is None else whole(axes)
    places = axes_of(places if places is not None else range(len(first)), x.ndim)
    by = [1] * len(first) if steps is None else whole(steps)
    for axis, start, end, step in zip(places, first, last, by, strict=True):
        x = _sliced(call, x, axis, (start, end, step))
    return x


def _sliced(call: Call, x: Value, axis: int, bounds: tuple[Any, Any, Any]) -> Value:
    start, end, step = bounds
    size = x.shape[axis]
    if isinstance(x, np.ndarray):
        return x[(*[slice(None)] * axis, slice(start, _end(end, step), step))]
    if step < 0:
        return _reversed(call, x, axis, bounds)
    whole_batch = isinstance(size, SymInt) and start == 0 and isinstance(end, int)
    if whole_batch and end >= call.batch.at_held(size):
        return x  # all samples that the file has
    if isinstance(end, int) and end >= _ENDLESS:
        end = None
    return x[(*[slice(None)] * axis, slice(start, end, step))]


def _end(end: Any, step: int) -> Any:
    """`None` for an end beyond every array."""
    return None if isinstance(end, int) and abs(end) >= _ENDLESS - 1 else end


def _reversed(call: Call, x: Tensor, axis: int, bounds: tuple[Any, Any, Any]) -> Tensor:
    size = x.shape[axis]
    if isinstance(size, SymInt):
        raise call.refuse("reverses the batch")
    start, end, step = bounds
    places = range(size)[slice(start, None if end <= -_ENDLESS else end, step)]
    if len(places) == size:
        return torch.flip(x, [axis])
    return torch.index_select(x, axis, call.tensor(np.array(places, np.int64)))


@operator("GatherElements")
def gather_elements(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Compute ONNX's `GatherElements`."""
    axis = normalized(call.get("axis", 0), x.ndim)
    return torch.gather(x, axis, _positive(indices, x.shape[axis]))


def _positive(indices: Tensor, size: Any) -> Tensor:
    return torch.where(indices < 0, indices + size, indices).long()


@operator("GatherND")
def gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Compute ONNX's `GatherND`."""
    batch, depth = call.get("batch_dims", 0), indices.shape[-1]
    places: list[Tensor] = []
    for axis in range(batch):
        view = [1] * (indices.ndim - 1)
        view[axis] = x.shape[axis]
        places.append(torch.arange(x.shape[axis]).reshape(view))
    places += [_positive(indices[..., n], x.shape[batch + n]) for n in range(depth)]
    return x[tuple(places)]


@on_known("GatherND")
def _gather_nd_known(call: Call, x: Known, indices: Known) -> Known:
    if call.get("batch_dims", 0):
        return gather_nd(call, torch.from_numpy(x), torch.from_numpy(indices)).numpy()
    return known(x[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))])


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator("ScatterElements", "Scatter")
def scatter_elements(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Compute ONNX's `ScatterElements` and `Scatter`."""
    axis = normalized(call.get("axis", 0), x.ndim)
    places = _positive(indices, x.shape[axis])
    how = call.get("reduction", "none")
    if how == "none":
        return torch.scatter(x, axis, places, updates)
    return torch.scatter_reduce(x, axis, places, updates, _REDUCTIONS[how])


@operator("ScatterND")
def scatter_nd(call: Call, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """Compute ONNX's `ScatterND`."""
    depth = indices.shape[-1]
    strides = [1] * depth
    for place in reversed(range(depth - 1)):
        strides[place] = strides[place + 1] * x.shape[place + 1]
    flat: Any = 0
    for place in range(depth):
        flat = flat + _positive(indices[..., place], x.shape[place]) * strides[place]
    rest = list(x.shape[depth:])
    rows = x.reshape(-1, *rest)
    given = updates.reshape(-1, *rest)
    where = flat.reshape(-1, *[1] * len(rest)).expand(given.shape)
    how = call.get("reduction", "none")
    if how == "none":
        return torch.scatter(rows, 0, where, given).reshape(x.shape)
    kind = _REDUCTIONS[how]
    return torch.scatter_reduce(rows, 0, where, given, kind).reshape(x.shape)


@on_known("ScatterND")
def _scatter_nd_known(call: Call, x: Known, indices: Known, updates: Known) -> Known:
    if call.get("reduction", "none") != "none":
        given = (torch.from_numpy(np.array(v)) for v in (x, indices, updates))
        return scatter_nd(call, *given).numpy()
    odd = symbolic(x) or symbolic(updates)
    result = x.astype(object) if odd else x.copy()
    result[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))] = updates
    return known(result)


@operator("TensorScatter")
def tensor_scatter(
    call: Call, past: Tensor, update: Tensor, begin: Tensor | None = None
) -> Tensor:
    """Compute ONNX's `TensorScatter`."""
    axis = normalized(call.get("axis", -2), past.ndim)
    length = update.shape[axis]
    view = [1] * past.ndim
    view[axis] = length
    places = torch.arange(length).reshape(view)
    if begin is not None:
        places = places + begin.reshape(-1, *[1] * (past.ndim - 1))
    if call.get("mode", "linear") == "circular":
        places = places % past.shape[axis]
    return torch.scatter(past, axis, places.long().expand(update.shape), update)


@operator("OneHot", raw=(1,), known=(2,))
def one_hot(call: Call, indices: Tensor, depth: Value, values: Known) -> Tensor:
    """Compute ONNX's `OneHot`."""
    if isinstance(depth, Tensor):
        raise call.refuse("takes its depth from the network's inputs")
    count = int(number(depth.reshape(-1)))
    off, on = numbers(values)
    axis = normalized(call.get("axis", -1), indices.ndim + 1)
    places = _positive(indices, count)
    view = [1] * (indices.ndim + 1)
    view[axis] = count
    hot = places.unsqueeze(axis) == torch.arange(count).reshape(view)
    return torch.where(hot, on, off).to(torch_dtype(values))


@operator("TopK", raw=(1,))
def top_k(call: Call, x: Tensor, count: Value | None = None) -> tuple[Tensor, Tensor]:
    """Compute ONNX's `TopK`."""
    if isinstance(count, Tensor):
        raise call.refuse("takes its count from the network's inputs")
    requested = call.get("k") if count is None else number(count.reshape(-1))
    axis = normalized(call.get("axis", -1), x.ndim)
    largest, ordered = bool(call.get("largest", 1)), bool(call.get("sorted", 1))
    values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
    del ordered
    return values.narrow(axis, 0, requested), places.narrow(axis, 0, requested)


@operator("ArgMax", "ArgMin")
def arg_extreme(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `ArgMax` and `ArgMin`."""
    axis, keep = call.get("axis", 0), bool(call.get("keepdims", 1))
    pick = torch.argmax if call.node.kind == "ArgMax" else torch.argmin
    if not call.get("select_last_index"):
        return pick(x, axis, keepdim=keep)
    return x.shape[axis] - 1 - pick(torch.flip(x, [axis]), axis, keepdim=keep)  # type: ignore[no-any-return]


@operator("Trilu", known=(1,))
def triangle(call: Call, x: Tensor, k: Known | None = None) -> Tensor:
    """Compute ONNX's `Trilu`."""
    offset = 0 if k is None else int(number(k))
    return torch.triu(x, offset) if call.get("upper", 1) else torch.tril(x, offset)


@operator("ReverseSequence")
def reverse_sequence(call: Call, x: Tensor, lengths: Tensor) -> Tensor:
    """Compute ONNX's `ReverseSequence`."""
    time, batch = call.get("time_axis", 0), call.get("batch_axis", 1)
    view_time, view_batch = [1] * x.ndim, [1] * x.ndim
    view_time[time], view_batch[batch] = -1, -1
    steps = torch.arange(x.shape[time]).reshape(view_time)
    ends = lengths.reshape(view_batch)
    places = torch.where(steps < ends, ends - 1 - steps, steps)
    return torch.gather(x, time, places.expand(x.shape))


@operator("CumSum", known=(1,))
def cumulated(call: Call, x: Tensor, axis: Known) -> Tensor:
    """Compute ONNX's `CumSum`."""
    place = normalized(int(number(axis.reshape(-1))), x.ndim)
    if call.get("reverse"):
        x = torch.flip(x, [place])
    total = torch.cumsum(x, place, dtype=x.dtype)
    if call.get("exclusive"):
        total = total - x
    return torch.flip(total, [place]) if call.get("reverse") else total


@operator("Pad", known=(1, 2, 3))
def pad(
    call: Call,
    x: Tensor,
    pads: Known | None = None,
    value: Known | None = None,
    axes: Known | None = None,
) -> Tensor:
    """Compute ONNX's `Pad`."""
    given = call.get("pads", call.get("paddings")) if pads is None else whole(pads)
    fill = call.get("value", 0.0) if value is None or not value.size else number(value)
    places = list(range(x.ndim)) if axes is None else axes_of(whole(axes), x.ndim)
    half = len(given) // 2
    before, after = [0] * x.ndim, [0] * x.ndim
    for number_, axis in enumerate(places):
        before[axis], after[axis] = given[number_], given[half + number_]
    mode = call.get("mode", "constant")
    if mode == "constant":
        pairs = [
            p for axis in reversed(range(x.ndim)) for p in (before[axis], after[axis])
        ]
        while len(pairs) > 2 and pairs[-2:] == [0, 0]:
            pairs = pairs[:-2]
        return F.pad(x, pairs, value=fill)
    return _padded_by_place(call, x, list(zip(before, after, strict=True)), mode)


_TORCH_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _padded_by_place(
    call: Call, x: Tensor, pads: list[tuple[int, int]], mode: str
) -> Tensor:
    """Padding that repeats elements, which torch has for images alone."""
    image = x.ndim == 4 and pads[:2] == [(0, 0), (0, 0)]
    fits = all(max(p) < s for p, s in zip(pads[2:], x.shape[2:], strict=True))
    if image and fits and min(min(p) for p in pads) >= 0:
        flat = [p for pair in reversed(pads[2:]) for p in pair]
        return F.pad(x, flat, mode=_TORCH_MODES[mode])
    names = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    for axis, (before, after) in enumerate(pads):
        if before or after:
            size = x.shape[axis]
            kept = np.arange(max(0, -before), size - max(0, -after))
            grown = (max(before, 0), max(after, 0))
            places = np.pad(kept, grown, mode=names[mode])  # type: ignore[call-overload]
            x = torch.index_select(x, axis, call.tensor(places.astype(np.int64)))
    return x


_REFUSED = {
    "gives a number of results that depends on values": (
        "NonZero", "NonMaxSuppression", "Unique", "Compress",
    ),
    "draws random numbers": (
        "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
        "Multinomial", "Bernoulli",
    ),
    "gives a row for each region, not for each sample, which is not supported": (
        "RoiAlign", "MaxRoiPool",
    ),
    "counts words, through which no network trains": ("TfIdfVectorizer",),
    "takes text, through which no network trains": ("StringNormalizer",),
}  # fmt: skip
_WHY = {kind: why for why, kinds in _REFUSED.items() for kind in kinds}


@operator(*_WHY)
def refused(call: Call, *values: Any) -> Tensor:
    """Raise `ModelError`, with why no network trains through the operator and where to end it."""
    taken = ", ".join(f'"{name}"' for name in call.node.inputs[:2] if name)
    before = f": [model] outputs = [{taken}]" if taken else ""
    raise call.refuse(f"{_WHY[call.node.kind]}. End the network before it{before}")


@on_known("NonZero")
def _non_zero(call: Call, x: Known) -> Known:
    return np.array(np.nonzero(x))


@on_known("Compress")
def _compressed(call: Call, x: Known, condition: Known) -> Known:
    return np.compress(condition.astype(bool), x, call.get("axis"))
