"""Shape arithmetic, in Python, and operators that move elements to another shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import SymInt, Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import on_known, operator
from edgekit.sources.onnx.values import (
    Known,
    Value,
    axes_of,
    known,
    limited,
    normalized,
    number,
    objects,
    shape_of,
    symbolic,
    whole,
)


@operator("Shape", raw=(0,))
@on_known("Shape")
def shape(call: Call, x: Value) -> Known:
    """Compute ONNX's `Shape`."""
    sizes = shape_of(x)
    return objects(sizes[call.get("start", 0) : call.get("end", len(sizes))])


@operator("Size", raw=(0,))
@on_known("Size")
def size(call: Call, x: Value) -> Known:
    """Compute ONNX's `Size`."""
    array = np.empty((), dtype=object)
    array[()] = math.prod(shape_of(x))
    return known(array)


@operator("ConstantOfShape", known=(0,))
@on_known("ConstantOfShape")
def constant_of_shape(call: Call, sizes: Known) -> Value:
    """Compute ONNX's `ConstantOfShape`."""
    value = call.get("value", np.zeros(1, np.float32)).reshape(())
    requested = limited(whole(sizes))
    if any(isinstance(each, SymInt) for each in requested):
        return torch.full(requested, value.item(), dtype=torch_dtype(value))
    return np.full(requested, value)


def _axes(call: Call, axes: Known | None) -> list[int] | None:
    if axes is not None:
        return whole(axes)
    given: list[int] | None = call.get("axes")
    return given


@operator("Reshape", known=(1,))
@on_known("Reshape")
def reshape(call: Call, x: Value, target: Known | None = None) -> Value:
    """Compute ONNX's `Reshape`."""
    requested = call.get("shape") if target is None else whole(target)
    if not call.get("allowzero"):
        requested = [
            x.shape[n] if isinstance(v, int) and v == 0 and n < x.ndim else v
            for n, v in enumerate(requested)
        ]
    if isinstance(x, Tensor):
        return x.reshape(call.batch.reshaped(x.shape, requested))
    return x.reshape(requested)


@operator("Flatten")
@on_known("Flatten")
def flatten(call: Call, x: Value) -> Value:
    """Compute ONNX's `Flatten`."""
    axis = call.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    if isinstance(x, Tensor) and axis == 1 and x.ndim > 1:
        return x.flatten(1)
    rows = math.prod(x.shape[:axis])
    return x.reshape((rows, math.prod(x.shape[axis:])))


@operator("Transpose")
@on_known("Transpose")
def transpose(call: Call, x: Value) -> Value:
    """Compute ONNX's `Transpose`."""
    order = call.get("perm") or list(range(x.ndim))[::-1]
    return x.permute(order) if isinstance(x, Tensor) else np.transpose(x, order)


@operator("Squeeze", known=(1,))
@on_known("Squeeze")
def squeeze(call: Call, x: Value, axes: Known | None = None) -> Value:
    """Compute ONNX's `Squeeze`."""
    given = _axes(call, axes)
    if given is None:
        given = [
            n for n, s in enumerate(x.shape) if not isinstance(s, SymInt) and s == 1
        ]
    places = axes_of(given, x.ndim)
    for place in places:
        if isinstance(x.shape[place], SymInt):
            raise call.refuse(
                "removes the dimension of the batch: the file computes one sample alone"
            )
    if isinstance(x, Tensor):
        return x.squeeze(places) if places else x
    return np.squeeze(x, tuple(places))


@operator("Unsqueeze", known=(1,))
@on_known("Unsqueeze")
def unsqueeze(call: Call, x: Value, axes: Known | None = None) -> Value:
    """Compute ONNX's `Unsqueeze`."""
    given = _axes(call, axes) or []
    places = sorted(axes_of(given, x.ndim + len(given)))
    if not isinstance(x, Tensor):
        return np.expand_dims(x, tuple(places))
    for place in places:
        x = x.unsqueeze(place)
    return x


@operator("Concat", raw=tuple(range(1024)))
def concat(call: Call, *values: Value) -> Tensor:
    """Compute ONNX's `Concat`."""
    axis = call.get("axis", 1)
    tensors = [call.tensor(v) for v in values if not _empty(v)]
    return torch.cat(call.batch.joined(tensors, axis), axis)


def _empty(value: Value) -> bool:
    return (
        value.ndim == 1
        and not isinstance(value.shape[0], SymInt)
        and not value.shape[0]
    )


@on_known("Concat")
def _concat_known(call: Call, *values: Known) -> Known:
    if any(map(symbolic, values)):
        values = tuple(value.astype(object) for value in values)
    return np.concatenate(values, call.get("axis", 1))


@operator("Split", known=(1,))
@on_known("Split")
def split(call: Call, x: Value, parts: Known | None = None) -> tuple[Value, ...]:
    """Compute ONNX's `Split`."""
    axis = normalized(call.get("axis", 0), x.ndim)
    sizes = call.get("split") if parts is None else whole(parts)
    if sizes is None:
        sizes = _even(x.shape[axis], call.get("num_outputs", call.outputs))
    if isinstance(x, Tensor):
        return (x,) if len(sizes) == 1 else torch.split(x, list(sizes), axis)
    bounds = np.cumsum(sizes)[:-1]
    return tuple(np.split(x, bounds, axis))


def _even(total: Any, count: int) -> list[int]:
    piece = -(-total // count)
    return [*[piece] * (count - 1), total - piece * (count - 1)]


@operator("Expand", known=(1,))
@on_known("Expand")
def expand(call: Call, x: Value, target: Known) -> Value:
    """Compute ONNX's `Expand`."""
    requested = limited(whole(target)) if isinstance(x, np.ndarray) else whole(target)
    if isinstance(x, np.ndarray) and not symbolic(target):
        return (
            x * np.ones(requested, x.dtype)
            if x.dtype != bool
            else x & np.ones(requested, bool)
        )
    tensor = call.tensor(x)
    requested = [1] * (tensor.ndim - len(requested)) + requested
    requested = call.batch.expanded(tensor.shape, requested)
    own = [1] * (len(requested) - tensor.ndim) + shape_of(tensor)
    full = [
        mine if not isinstance(mine, int) or mine != 1 else other
        for mine, other in zip(own, requested, strict=True)
    ]
    return tensor.reshape(own).expand(full)


@operator("Tile", known=(1, 2))
@on_known("Tile")
def tile(call: Call, x: Value, repeats: Known, axis: Known | None = None) -> Value:
    """Compute ONNX's `Tile`."""
    times = whole(repeats)
    if call.version < 6 and axis is not None:
        place, count = number(axis), times[0]
        times = [count if n == place else 1 for n in range(x.ndim)]
    if isinstance(x, Tensor):
        return x.repeat(times)
    limited([a * b for a, b in zip(x.shape, times, strict=True)])
    return np.tile(x, times)


@operator("Range", known=(0, 1, 2))
@on_known("Range")
def arange(call: Call, start: Known, limit: Known, delta: Known) -> Value:
    """Compute ONNX's `Range`."""
    bounds = [number(v.reshape(-1)) for v in (start, limit, delta)]
    if any(isinstance(bound, SymInt) for bound in bounds):
        return torch.arange(*bounds)
    count = max(math.ceil((bounds[1] - bounds[0]) / bounds[2]), 0)
    limited([count])
    dtype = start.dtype if start.dtype != object else np.dtype(np.int64)
    return (bounds[0] + bounds[2] * np.arange(count)).astype(dtype)  # type: ignore[no-any-return]


@operator("DepthToSpace")
def depth_to_space(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `DepthToSpace`."""
    block = call.get("blocksize")
    if call.get("mode", "DCR") == "CRD":
        return torch.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    x = x.reshape(n, block, block, c // block**2, h, w)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(n, c // block**2, h * block, w * block)


@operator("SpaceToDepth")
def space_to_depth(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `SpaceToDepth`."""
    block = call.get("blocksize")
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block)
    if call.get("mode", "DCR") == "CRD":
        return torch.pixel_unshuffle(x.reshape(n, c, h, w), block)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block)


@operator("EyeLike", raw=(0,))
def eye_like(call: Call, x: Value) -> Tensor:
    """Compute ONNX's `EyeLike`."""
    rows, columns = x.shape
    offset = call.get("k", 0)
    across = torch.arange(columns)[None, :] - torch.arange(rows)[:, None]
    kind = torch.float32 if not isinstance(x, Tensor) else x.dtype
    return (across == offset).to(dtype_of(call.get("dtype")) or kind)  # type: ignore[no-any-return]


_DTYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32,
    7: torch.int64, 9: torch.bool, 10: torch.float32, 11: torch.float32,
    16: torch.float32, 4: torch.int32, 12: torch.int64, 13: torch.int64,
}  # fmt: skip
"""Floating point of any width is computed in single precision."""


def torch_dtype(array: Known) -> torch.dtype:
    """The dtype of a tensor that holds an array's content."""
    if array.dtype.kind == "f":
        return torch.float32
    found: torch.dtype = getattr(torch, array.dtype.name)
    return found


def dtype_of(code: int | None) -> torch.dtype | None:
    """The dtype that stands for one of ONNX; `None` for those that torch lacks."""
    return None if code is None else _DTYPES.get(code)


@operator("Cast")
def cast(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Cast`."""
    code = call.get("to")
    dtype = dtype_of(int(code)) if isinstance(code, int) else None
    if dtype is None:
        raise call.refuse(f"casts to the ONNX type {code}, which has no counterpart")
    return x.to(dtype)


@on_known("Cast")
def _cast_known(call: Call, x: Known) -> Known:
    dtype = dtype_of(call.get("to"))
    if dtype is None:
        raise call.refuse(f"casts to the ONNX type {call.get('to')}")
    if symbolic(x):
        return x
    with np.errstate(invalid="ignore", over="ignore"):
        return x.astype(str(dtype).removeprefix("torch."))


@operator("CastLike", raw=(1,))
def cast_like(call: Call, x: Tensor, like: Value) -> Tensor:
    """Compute ONNX's `CastLike`."""
    return x.to(call.tensor(like).dtype)


@on_known("CastLike")
def _cast_like_known(call: Call, x: Known, like: Known) -> Known:
    return x if symbolic(x) or symbolic(like) else x.astype(like.dtype)


@operator("CenterCropPad", known=(1,))
def center_crop_pad(call: Call, x: Tensor, sizes: Known) -> Tensor:
    """Compute ONNX's `CenterCropPad`."""
    axes = axes_of(call.get("axes", list(range(x.ndim))), x.ndim)
    for axis, requested in zip(axes, whole(sizes), strict=True):
        have = x.shape[axis]
        if have > requested:
            x = x.narrow(axis, (have - requested) // 2, requested)
        elif have < requested:
            before = (requested - have) // 2
            pads = [0, 0] * (x.ndim - 1 - axis) + [before, requested - have - before]
            x = torch.nn.functional.pad(x, pads)
    return x
