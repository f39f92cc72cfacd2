"""Quantized constants as real numbers; the rest of quantizing once `singles` has run."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import MICROSOFT, operator
from edgekit.sources.onnx.values import normalized

_RANGES = {
    torch.uint8: (0, 255),
    torch.int8: (-128, 127),
    torch.int16: (-32768, 32767),
}


def _spread(call: Call, scale: Tensor, x: Tensor) -> Tensor:
    """A scale or zero point for each element of `x`."""
    if scale.numel() == 1:
        return scale.reshape(())
    axis = normalized(call.get("axis", 1), x.ndim)
    if scale.ndim == 1:
        view = [1] * x.ndim
        view[axis] = -1
        return scale.reshape(view)
    block = call.get("block_size", 0)
    return scale.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])


@operator("DequantizeLinear")
@operator("DequantizeLinear", domain=MICROSOFT)
def dequantize(
    call: Call, x: Tensor, scale: Tensor, zero: Tensor | None = None
) -> Tensor:
    """Compute ONNX's `DequantizeLinear`."""
    whole = x.float()
    if zero is not None:
        whole = whole - _spread(call, zero.float(), x)
    return whole * _spread(call, scale, x)


@operator("QuantizeLinear")
@operator("QuantizeLinear", domain=MICROSOFT)
def quantize(
    call: Call, x: Tensor, scale: Tensor, zero: Tensor | None = None
) -> Tensor:
    """Compute ONNX's `QuantizeLinear`."""
    kind = torch.uint8 if zero is None else zero.dtype
    if call.get("output_dtype"):
        kind = {2: torch.uint8, 3: torch.int8, 5: torch.int16}.get(
            call.get("output_dtype"), torch.float64
        )
    if kind not in _RANGES:
        raise call.refuse("quantizes to a type that torch lacks")
    steps = torch.round(x / _spread(call, scale, x))
    if zero is not None:
        steps = steps + _spread(call, zero.float(), x)
    return torch.clamp(steps, *_RANGES[kind]).to(kind)


def real(
    whole: np.ndarray, scale: np.ndarray, zero: np.ndarray | None, axis: int
) -> np.ndarray:
    """An array of whole numbers by the scale and zero point of each place along `axis`."""

    def along(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float32)
        if values.size == 1:
            return values.reshape(())
        view = [1] * whole.ndim
        view[axis] = -1
        return values.reshape(view)

    shifted = whole.astype(np.float32) - (0 if zero is None else along(zero))
    result: np.ndarray = (shifted * along(scale)).astype(np.float32)
    return result
