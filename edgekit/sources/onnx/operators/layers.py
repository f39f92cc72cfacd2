"""Convolutions, matrix products and norms: the layers that have weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.operators.windows import Window
from edgekit.sources.onnx.registry import MICROSOFT, operator
from edgekit.sources.onnx.values import Value, normalized

_CONVOLVE = (F.conv1d, F.conv2d, F.conv3d)
_SPREAD = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_LAYER = ("", "weight", "bias")


@operator("Conv", roles=_LAYER)
def convolve(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Compute ONNX's `Conv`."""
    window = Window.of(call, x, list(w.shape[2:]))
    rank = w.ndim - 2
    padding = window.before
    if window.before != window.after:
        x, padding = F.pad(x, window.around), [0] * rank
    groups = call.get("group", 1)
    return _CONVOLVE[rank - 1](
        x, w, b, window.strides, padding, window.dilations, groups
    )


@operator("ConvTranspose", roles=_LAYER)
def spread(call: Call, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """Compute ONNX's `ConvTranspose`."""
    rank = w.ndim - 2
    window = Window.of(call, x, list(w.shape[2:]), transposed=True)
    extra = list(call.get("output_padding", [0] * rank))
    padding = [max(0, min(p)) for p in zip(window.before, window.after, strict=True)]
    groups = call.get("group", 1)
    more = [0] * rank
    fits = all(
        e < max(s, d)
        for e, s, d in zip(extra, window.strides, window.dilations, strict=True)
    )
    if not fits:
        more, extra = extra, [0] * rank
    cut = [
        n
        for place in reversed(range(rank))
        for n in (
            padding[place] - window.before[place],
            padding[place] - window.after[place] + more[place],
        )
    ]
    grows = any(c > 0 for c in cut)  # what lies beyond holds the bias
    early = None if grows else b
    y = _SPREAD[rank - 1](
        x, w, early, window.strides, padding, extra, groups, window.dilations
    )
    y = F.pad(y, cut) if any(cut) else y
    return y + b.reshape(-1, *[1] * rank) if grows and b is not None else y


@operator("Gemm", raw=(1, 2))
def gemm(call: Call, x: Tensor, w: Value, b: Value | None = None) -> Tensor:
    """Compute ONNX's `Gemm`."""
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    x = x.t() if call.get("transA") else x
    if isinstance(w, np.ndarray):
        w = w if call.get("transB") else w.T
    else:
        w = w if call.get("transB") else w.t()
    weight = call.tensor(w, "weight")
    b = None if b is None else call.tensor(b, "bias")
    if alpha == 1 and (b is None or (beta == 1 and b.ndim == 1)):
        return F.linear(x, weight, b)
    y = F.linear(x, weight) * alpha
    return y if b is None else y + b * beta  # type: ignore[no-any-return]


@operator("MatMul", raw=(0, 1))
def matmul(call: Call, x: Value, y: Value) -> Tensor:
    """Compute ONNX's `MatMul`."""
    if isinstance(y, np.ndarray) and y.ndim == 2 and x.ndim > 1:
        return F.linear(call.tensor(x), call.tensor(y.T, "weight"))
    return torch.matmul(call.tensor(x, "weight"), call.tensor(y, "weight"))


@operator("FusedMatMul", domain=MICROSOFT)
def fused_matmul(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Compute ONNX's `FusedMatMul`."""
    if call.get("transBatchA"):
        x = torch.movedim(x, 0, -2)
    if call.get("transBatchB"):
        y = torch.movedim(y, 0, -2)
    x = x.transpose(-1, -2) if call.get("transA") and x.ndim > 1 else x
    y = y.transpose(-1, -2) if call.get("transB") and y.ndim > 1 else y
    product = torch.matmul(x, y)
    alpha = call.get("alpha", 1.0)
    return product if alpha == 1 else product * alpha


@operator("Einsum")
def einsum(call: Call, *values: Tensor) -> Tensor:
    """Compute ONNX's `Einsum`."""
    return torch.einsum(call.get("equation").replace(" ", ""), *values)


_NORM = ("", "weight", "bias")


@operator("BatchNormalization", roles=(*_NORM, "running_mean", "running_var"))
def batch_norm(
    call: Call, x: Tensor, w: Tensor, b: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
    """Compute ONNX's `BatchNormalization`."""
    if call.get("training_mode") or call.get("spatial", 1) == 0:
        raise call.refuse(
            "normalizes by the batch, or by place: export the network for inference"
        )
    momentum = 1 - call.get("momentum", 0.9)
    return F.batch_norm(x, mean, var, w, b, False, momentum, call.get("epsilon", 1e-5))


@operator("InstanceNormalization", roles=_NORM)
def instance_norm(call: Call, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Compute ONNX's `InstanceNormalization`."""
    return F.instance_norm(x, weight=w, bias=b, eps=call.get("epsilon", 1e-5))


@operator("LayerNormalization", roles=_NORM)
def layer_norm(
    call: Call, x: Tensor, w: Tensor, b: Tensor | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Compute ONNX's `LayerNormalization`."""
    axis = normalized(call.get("axis", -1), x.ndim)
    epsilon = call.get("epsilon", 1e-5)
    over = list(x.shape[axis:])
    if list(w.shape) == over and (b is None or list(b.shape) == over):
        y = F.layer_norm(x, over, w, b, epsilon)
    else:
        y = F.layer_norm(x, over, None, None, epsilon) * w
        y = y if b is None else y + b
    if call.outputs == 1:
        return y
    dims = list(range(axis, x.ndim))
    mean = x.mean(dims, keepdim=True)
    spread_ = (x - mean).square().mean(dims, keepdim=True)
    return y, mean, torch.rsqrt(spread_ + epsilon)


@operator("SkipLayerNormalization", domain=MICROSOFT,
          roles=("", "", "weight", "bias", "skip_bias"))  # fmt: skip
def skip_layer_norm(
    call: Call,
    x: Tensor,
    skip: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    bias: Tensor | None = None,
) -> tuple[Any, ...]:
    """Compute ONNX's `SkipLayerNormalization`."""
    total = x + skip if bias is None else x + skip + bias
    epsilon = call.get("epsilon", 1e-12)
    return F.layer_norm(total, [total.shape[-1]], w, b, epsilon), None, None, total


@operator("SimplifiedLayerNormalization", roles=_NORM)
@operator("SimplifiedLayerNormalization", domain=MICROSOFT, roles=_NORM)
@operator("RMSNormalization", roles=_NORM)
def rms_norm(call: Call, x: Tensor, w: Tensor) -> Tensor:
    """Compute ONNX's `SimplifiedLayerNormalization`."""
    axis = normalized(call.get("axis", -1), x.ndim)
    over, epsilon = list(x.shape[axis:]), call.get("epsilon", 1e-5)
    if list(w.shape) == over:
        return F.rms_norm(x, over, w, epsilon)
    return F.rms_norm(x, over, None, epsilon) * w


@operator("SkipSimplifiedLayerNormalization", domain=MICROSOFT,
          roles=("", "", "weight", "skip_bias"))  # fmt: skip
def skip_rms_norm(
    call: Call, x: Tensor, skip: Tensor, w: Tensor, bias: Tensor | None = None
) -> tuple[Any, ...]:
    """Compute ONNX's `SkipSimplifiedLayerNormalization`."""
    total = x + skip if bias is None else x + skip + bias
    y = F.rms_norm(total, [total.shape[-1]], w, call.get("epsilon", 1e-12))
    return y, None, None, total


@operator("GroupNormalization", roles=_NORM)
def group_norm(call: Call, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Compute ONNX's `GroupNormalization`."""
    groups, epsilon = call.get("num_groups"), call.get("epsilon", 1e-5)
    if w.shape[0] == x.shape[1]:
        return F.group_norm(x, groups, w, b, epsilon)
    each = x.shape[1] // groups
    return F.group_norm(
        x, groups, w.repeat_interleave(each), b.repeat_interleave(each), epsilon
    )


@operator("LRN")
def local_response_norm(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `LRN`."""
    size = call.get("size")
    before = (size - 1) // 2
    squares = F.pad(
        x.square().reshape(x.shape[0], 1, x.shape[1], -1),
        (0, 0, before, size - 1 - before),
    )
    total = F.avg_pool2d(squares, (size, 1), stride=1).reshape(x.shape)
    scale = call.get("bias", 1.0) + total * call.get("alpha", 1e-4)
    return x / scale.pow(call.get("beta", 0.75))  # type: ignore[no-any-return]


@operator("LpNormalization")
def lp_normalize(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `LpNormalization`."""
    axis, p = call.get("axis", -1), call.get("p", 2)
    length = x.norm(p, axis, keepdim=True)
    return torch.where(length == 0, torch.zeros_like(x), x / length)


@operator("MeanVarianceNormalization")
def mean_variance(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `MeanVarianceNormalization`."""
    axes = call.get("axes", [0, 2, 3])
    middle = x - x.mean(axes, keepdim=True)
    return middle / (middle.square().mean(axes, keepdim=True).sqrt() + 1e-9)


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax_flat(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Softmax`, `LogSoftmax` and `Hardmax`."""
    axis = normalized(call.get("axis", 1), x.ndim)
    if axis == x.ndim - 1:
        return _soft(call, x, -1)
    return _soft(call, x.flatten(axis), -1).reshape(x.shape)


@operator("Softmax", "LogSoftmax", "Hardmax", since=13)
def softmax(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Softmax`, `LogSoftmax` and `Hardmax`."""
    return _soft(call, x, call.get("axis", -1))


def _soft(call: Call, x: Tensor, axis: int) -> Tensor:
    if call.node.kind == "Hardmax":
        size = x.shape[axis]
        hot = F.one_hot(x.argmax(axis), size).to(x.dtype)
        return hot.movedim(-1, axis)
    return F.softmax(x, axis) if call.node.kind == "Softmax" else F.log_softmax(x, axis)


_FUSED = {
    "Relu": lambda x, p: torch.relu(x),
    "Tanh": lambda x, p: torch.tanh(x),
    "Sigmoid": lambda x, p: torch.sigmoid(x),
    "LeakyRelu": lambda x, p: F.leaky_relu(x, p[0] if p else 0.01),
    "Clip": lambda x, p: torch.clamp(x, *p),
    "HardSigmoid": lambda x, p: torch.clamp(x * p[0] + p[1], 0, 1),
    "HardSwish": lambda x, p: F.hardswish(x),
    "": lambda x, p: x,
}


@operator("FusedConv", domain=MICROSOFT, roles=_LAYER)
def fused_convolve(
    call: Call,
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    added: Tensor | None = None,
) -> Tensor:
    """Compute ONNX's `FusedConv`."""
    y = convolve(call, x, w, b)
    y = y if added is None else y + added
    kind = call.get("activation", "")
    if kind not in _FUSED:
        raise call.refuse(f"has the unknown activation {kind}")
    return _FUSED[kind](y, call.get("activation_params", []))  # type: ignore[no-any-return, no-untyped-call]


@operator("FusedGemm", domain=MICROSOFT, raw=(1, 2))
def fused_gemm(call: Call, x: Tensor, w: Value, b: Value | None = None) -> Tensor:
    """Compute ONNX's `FusedGemm`."""
    kind = call.get("activation", "")
    if kind not in _FUSED:
        raise call.refuse(f"has the unknown activation {kind}")
    return _FUSED[kind](gemm(call, x, w, b), [call.get("activation_alpha", 0.01)])  # type: ignore[no-any-return, no-untyped-call]
