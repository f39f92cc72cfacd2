"""Resize and its kin, in every mode: torch's own where it is the same, else by a matrix an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import SymInt, Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import operator
from edgekit.sources.onnx.values import Known, axes_of, numbers, whole

_TORCH = {
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One dimension that is resized."""

    place: int
    size: int
    requested: int
    scale: float
    span: tuple[float, float]
    """Of the region of interest, as fractions of the size."""


@operator("Upsample", known=(1,))
def upsample(call: Call, x: Tensor, scales: Known | None = None) -> Tensor:
    """Compute ONNX's `Upsample`."""
    given = numbers(scales) if scales is not None else list(call.get("scales"))
    return _resized(call, x, _by_scales(x, given, None), "asymmetric")


@operator("Resize", known=(1,))
def resize_10(call: Call, x: Tensor, scales: Known) -> Tensor:
    """Compute ONNX's `Resize`."""
    return _resized(call, x, _by_scales(x, numbers(scales), None), "asymmetric")


@operator("Resize", since=11, known=(1, 2, 3))
def resize(
    call: Call,
    x: Tensor,
    roi: Known | None = None,
    scales: Known | None = None,
    sizes: Known | None = None,
) -> Tensor:
    """Compute ONNX's `Resize`."""
    places = axes_of(call.get("axes", range(x.ndim)), x.ndim)
    mode = call.get("coordinate_transformation_mode", "half_pixel")
    region = None
    if mode == "tf_crop_and_resize" and roi is not None:
        region = numbers(roi)
    if scales is not None and scales.size:
        axes = _by_scales(x, numbers(scales), region, places)
    elif sizes is not None:
        axes = _by_sizes(call, x, whole(sizes), region, places)
    else:
        raise call.refuse("has neither scales nor sizes")
    return _resized(call, x, axes, mode)


def _span(region: list[float] | None, number: int, count: int) -> tuple[float, float]:
    return (0.0, 1.0) if region is None else (region[number], region[count + number])


def _by_scales(
    x: Tensor,
    scales: Sequence[float],
    region: list[float] | None,
    places: Sequence[int] | None = None,
) -> list[Axis]:
    places = range(x.ndim) if places is None else places
    found = []
    for number, (place, scale) in enumerate(zip(places, scales, strict=True)):
        span = _span(region, number, len(scales))
        if scale == 1 and span == (0.0, 1.0):
            continue
        size = _fixed(x.shape[place])
        requested = math.floor(size * (span[1] - span[0]) * scale + 1e-9)
        found.append(
            Axis(place=place, size=size, requested=requested, scale=scale, span=span)
        )
    return found


def _by_sizes(
    call: Call,
    x: Tensor,
    sizes: list[Any],
    region: list[float] | None,
    places: Sequence[int],
) -> list[Axis]:
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        ratios = [s / _fixed(x.shape[p]) for p, s in zip(places, sizes, strict=True)]
        scale = min(ratios) if policy == "not_larger" else max(ratios)
        sizes = [math.floor(scale * _fixed(x.shape[p]) + 0.5) for p in places]
        given = [scale] * len(places)
    else:
        given = [0.0] * len(places)
    found = []
    for number, (place, requested) in enumerate(zip(places, sizes, strict=True)):
        span = _span(region, number, len(sizes))
        if isinstance(x.shape[place], SymInt) or (place == 0 and not region):
            continue  # the batch
        size = _fixed(x.shape[place])
        scale = given[number] or requested / size
        if requested != size or span != (0.0, 1.0):
            found.append(
                Axis(
                    place=place, size=size, requested=requested, scale=scale, span=span
                )
            )
    return found


def _fixed(size: Any) -> int:
    if isinstance(size, SymInt):
        raise ValueError("it would resize the batch")
    return int(size)


def _resized(call: Call, x: Tensor, axes: list[Axis], mode: str) -> Tensor:
    if not axes:
        return x
    if any(not 0 < axis.requested <= 1 << 16 for axis in axes):
        raise call.refuse(f"makes sizes {[axis.requested for axis in axes]}")
    fast = _by_torch(call, x, axes, mode)
    if fast is not None:
        return fast
    if call.get("mode", "nearest") == "nearest":
        for axis in axes:
            places = call.tensor(_nearest(call, axis, mode))
            x = torch.index_select(x, axis.place, places)
        return x
    outside = []
    for axis in axes:
        weights, beyond = _weights(call, axis, mode)
        moved = x.movedim(axis.place, -1)
        matrix = call.tensor(weights.astype(np.float32))
        x = F.linear(moved, matrix).movedim(-1, axis.place)
        outside.append((axis, beyond))
    return _extrapolated(call, x, outside, mode)


def _extrapolated(
    call: Call, x: Tensor, outside: list[tuple[Axis, Known]], mode: str
) -> Tensor:
    """Outside of the region of interest, the value that the node gives."""
    if mode != "tf_crop_and_resize":
        return x
    for axis, beyond in outside:
        if beyond.any():
            view = [1] * x.ndim
            view[axis.place] = len(beyond)
            mask = call.tensor(beyond).reshape(view)
            x = torch.where(mask, call.get("extrapolation_value", 0.0), x)
    return x


def _by_torch(call: Call, x: Tensor, axes: list[Axis], mode: str) -> Tensor | None:
    """The call of `interpolate` for it, where its formula is the same; else `None`."""
    rank = x.ndim - 2
    if [axis.place for axis in axes] != list(range(2, x.ndim)) or rank not in (1, 2, 3):
        return None
    if call.get("antialias") or mode == "tf_crop_and_resize":
        return None
    requested = [axis.requested for axis in axes]
    kind = call.get("mode", "nearest")
    if kind == "nearest":
        for name, shift in (("nearest", 0.0), ("nearest-exact", 0.5)):
            if all(_same_places(call, axis, mode, shift) for axis in axes):
                return F.interpolate(x, size=requested, mode=name)
        return None
    torch_mode = _TORCH.get((kind, rank))
    exact = all(abs(a.scale - a.requested / a.size) < 1e-6 for a in axes)
    plain = kind == "linear" or (
        call.get("cubic_coeff_a", -0.75) == -0.75 and not call.get("exclude_outside")
    )
    one = any(a.requested == 1 for a in axes)
    if torch_mode is None or not plain or mode not in _CORNERS:
        return None
    if mode != "align_corners" and (not exact or (one and mode != "half_pixel")):
        return None
    corners = mode == "align_corners"
    return F.interpolate(x, size=requested, mode=torch_mode, align_corners=corners)


_CORNERS = ("half_pixel", "pytorch_half_pixel", "align_corners")


def _same_places(call: Call, axis: Axis, mode: str, shift: float) -> bool:
    steps = np.arange(axis.requested) + shift
    theirs = np.floor(steps * axis.size / axis.requested).astype(np.int64)
    return np.array_equal(np.minimum(theirs, axis.size - 1), _nearest(call, axis, mode))


def _positions(call: Call, axis: Axis, mode: str) -> Known:
    """Where each output element lies between those of the input."""
    steps = np.arange(axis.requested, dtype=np.float32)  # rounds as ONNX Runtime does
    scale, size, requested = np.float32(axis.scale), axis.size, axis.requested
    length = size * scale  # of the output, not rounded
    if mode == "asymmetric":
        return steps / scale
    if mode == "align_corners":
        return steps * (size - 1) / (requested - 1) if requested > 1 else steps * 0
    if mode == "pytorch_half_pixel" and requested <= 1:
        return steps * 0
    if mode == "tf_half_pixel_for_nn":
        return (steps + 0.5) / scale
    if mode == "tf_crop_and_resize":
        first, last = axis.span
        if requested == 1:
            return steps + 0.5 * (first + last) * (size - 1)
        return first * (size - 1) + steps * (last - first) * (size - 1) / (
            requested - 1
        )
    if mode == "half_pixel_symmetric":
        adjustment = requested / length
        center = size / 2
        offset = center * (1 - adjustment)
        return offset + (steps + 0.5) / scale - 0.5
    return (steps + 0.5) / scale - 0.5


def _nearest(call: Call, axis: Axis, mode: str) -> Known:
    x = _positions(call, axis, mode)
    kind = call.get("nearest_mode", "round_prefer_floor")
    if call.node.kind == "Upsample" or call.version < 11:
        kind = "floor"
    rounded = {
        "round_prefer_floor": lambda: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda: np.floor(x + 0.5),
        "floor": lambda: np.floor(x),
        "ceil": lambda: np.ceil(x),
    }[kind]()
    return np.clip(rounded, 0, axis.size - 1).astype(np.int64)


def _weights(call: Call, axis: Axis, mode: str) -> tuple[Known, Known]:
    """A matrix (wanted, size) of fractions, and which outputs lie outside of the input."""
    positions = _positions(call, axis, mode)
    beyond = (positions < 0) | (positions > axis.size - 1)
    cubic = call.get("mode", "nearest") == "cubic"
    stretch = 1.0
    if call.get("antialias") and axis.scale < 1:
        stretch = axis.scale
    reach = (2 if cubic else 1) / stretch
    matrix = np.zeros((axis.requested, axis.size))
    for row, x in enumerate(positions):
        taps = np.arange(math.floor(x - reach), math.ceil(x + reach) + 1)
        fractions = _kernel(call, (taps - x) * stretch, cubic=cubic)
        inside = (taps >= 0) & (taps < axis.size)
        if call.get("exclude_outside"):
            fractions = np.where(inside, fractions, 0)
        total = fractions.sum()
        np.add.at(
            matrix[row], np.clip(taps, 0, axis.size - 1), fractions / (total or 1)
        )
    return matrix, beyond


def _kernel(call: Call, distance: Known, *, cubic: bool) -> Known:
    x = np.abs(distance)
    if not cubic:
        return np.maximum(0, 1 - x)  # type: ignore[no-any-return]
    a = call.get("cubic_coeff_a", -0.75)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


@operator("GridSample")
def grid_sample(call: Call, x: Tensor, grid: Tensor) -> Tensor:
    """Compute ONNX's `GridSample`."""
    kind = call.get("mode", "bilinear")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(kind, kind)
    return F.grid_sample(
        x,
        grid,
        mode=mode,
        padding_mode=call.get("padding_mode", "zeros"),
        align_corners=bool(call.get("align_corners", 0)),
    )


@operator("AffineGrid", known=(1,))
def affine_grid(call: Call, theta: Tensor, size: Known) -> Tensor:
    """Compute ONNX's `AffineGrid`."""
    requested = whole(size)
    if isinstance(theta.shape[0], SymInt):
        requested[0] = theta.shape[0]
    return F.affine_grid(
        theta, requested, align_corners=bool(call.get("align_corners", 0))
    )


@operator("Col2Im", known=(1, 2))
def col2im(call: Call, x: Tensor, image: Known, block: Known) -> Tensor:
    """Compute ONNX's `Col2Im`."""
    sizes, kernel = whole(image), whole(block)
    rank = len(sizes)
    if rank != 2:
        raise call.refuse("places blocks of another rank than images have")
    pads = call.get("pads", [0] * 4)
    strides, dilations = call.get("strides", [1, 1]), call.get("dilations", [1, 1])
    padded = [sizes[0] + pads[0] + pads[2], sizes[1] + pads[1] + pads[3]]
    y = F.fold(
        x,
        tuple(padded),
        tuple(kernel),
        dilation=tuple(dilations),
        stride=tuple(strides),
    )
    return y[:, :, pads[0] : pads[0] + sizes[0], pads[1] : pads[1] + sizes[1]]
