"""Operators that compute each element from those in the same place."""

from __future__ import annotations

import operator as op
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import MICROSOFT, on_known, operator
from edgekit.sources.onnx.values import (
    Known,
    Value,
    known,
    number,
    numbers,
    symbolic,
)

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs, "Acos": torch.acos, "Acosh": torch.acosh, "Asin": torch.asin,
    "Asinh": torch.asinh, "Atan": torch.atan, "Atanh": torch.atanh, "Ceil": torch.ceil,
    "Cos": torch.cos, "Cosh": torch.cosh, "Erf": torch.erf, "Exp": torch.exp,
    "Floor": torch.floor, "IsNaN": torch.isnan, "Log": torch.log, "Neg": torch.neg,
    "Reciprocal": torch.reciprocal, "Relu": torch.relu, "Round": torch.round,
    "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin, "Sinh": torch.sinh,
    "Softplus": F.softplus, "Softsign": F.softsign, "Sqrt": torch.sqrt, "Tan": torch.tan,
    "Tanh": torch.tanh, "Not": torch.logical_not, "HardSwish": F.hardswish,
    "Mish": F.mish, "BitwiseNot": torch.bitwise_not, "Identity": lambda x: x,
}  # fmt: skip


def _unary(compute: Callable[[Tensor], Tensor]) -> Callable[[Call, Tensor], Tensor]:
    return lambda call, x: compute(x)


for _name, _compute in _UNARY.items():
    operator(_name)(_unary(_compute))


@on_known("Identity")
def _same(call: Call, x: Known) -> Known:
    return x


@on_known("Neg")
def _negated(call: Call, x: Known) -> Known:
    return -x


def _divided(x: Any, y: Any) -> Any:
    """Whole numbers toward zero, as ONNX divides them."""
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        return x / y
    whole = not any(
        v.is_floating_point() if isinstance(v, Tensor) else isinstance(v, float)
        for v in (x, y)
    )
    return torch.div(x, y, rounding_mode="trunc") if whole else torch.div(x, y)


def _power(x: Any, y: Any) -> Tensor:
    if isinstance(x, Tensor) and isinstance(y, int | float):
        whole = float(y).is_integer() and x.is_floating_point()
        return torch.pow(x, int(y) if whole else y).to(x.dtype)
    result = torch.pow(x, y)
    return result.to(x.dtype) if isinstance(x, Tensor) else result


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": op.add, "Sub": op.sub, "Mul": op.mul, "Div": _divided, "Pow": _power,
    "Equal": op.eq, "Less": op.lt, "LessOrEqual": op.le, "Greater": op.gt,
    "GreaterOrEqual": op.ge, "BitwiseAnd": op.and_, "BitwiseOr": op.or_,
    "BitwiseXor": op.xor,
}  # fmt: skip
_ROLES = {"PRelu": ("", "weight")}


def operand(call: Call, value: Value, other: Value) -> Any:
    """A value beside `other`: a Python number where it is one, else a tensor."""
    if isinstance(value, Tensor):
        return value
    if value.size == 1 and value.ndim <= other.ndim and isinstance(other, Tensor):
        return number(value)
    return call.tensor(value)


def _binary(compute: Callable[[Any, Any], Any]) -> Callable[[Call, Any, Any], Any]:
    def computed(call: Call, x: Value, y: Value) -> Any:
        if "axis" in call.node.attributes and call.get("broadcast"):
            y = call.tensor(y)
            y = y.reshape(*y.shape, *[1] * (x.ndim - call.get("axis") - y.ndim))
        if not isinstance(x, Tensor) and not isinstance(y, Tensor):
            return compute(call.tensor(x), call.tensor(y))
        return compute(operand(call, x, y), operand(call, y, x))

    return computed


for _name, _pair in _BINARY.items():
    operator(_name, raw=(0, 1))(_binary(_pair))


def _by_element(compute: Callable[[Any, Any], Any], x: Known, y: Known) -> Known:
    pairs = np.broadcast(x.astype(object), y.astype(object))
    items = [compute(a, b) for a, b in pairs]
    result = np.empty(len(items), dtype=object)
    result[:] = items
    return known(result.reshape(pairs.shape))


def _known_divided(x: Any, y: Any) -> Any:
    if isinstance(x, float) or isinstance(y, float | torch.SymFloat):
        return x / y
    return x // y


_ON_KNOWN: dict[str, tuple[Callable[..., Any], Callable[[Any, Any], Any]]] = {
    "Add": (np.add, op.add), "Sub": (np.subtract, op.sub), "Mul": (np.multiply, op.mul),
    "Equal": (np.equal, lambda a, b: bool(a == b)),
    "Less": (np.less, lambda a, b: bool(a < b)),
    "LessOrEqual": (np.less_equal, lambda a, b: bool(a <= b)),
    "Greater": (np.greater, lambda a, b: bool(a > b)),
    "GreaterOrEqual": (np.greater_equal, lambda a, b: bool(a >= b)),
    "And": (np.logical_and, lambda a, b: bool(a and b)),
    "Or": (np.logical_or, lambda a, b: bool(a or b)),
    "Xor": (np.logical_xor, lambda a, b: bool(a) != bool(b)),
}  # fmt: skip


def _pair_known(
    arrays: Callable[..., Any], elements: Callable[[Any, Any], Any]
) -> Callable[[Call, Known, Known], Known]:
    def computed(call: Call, x: Known, y: Known) -> Known:
        if symbolic(x) or symbolic(y):
            return _by_element(elements, x, y)
        return arrays(x, y)  # type: ignore[no-any-return]

    return computed


for _name, _known in _ON_KNOWN.items():
    on_known(_name)(_pair_known(*_known))


@on_known("Div")
def _div_known(call: Call, x: Known, y: Known) -> Known:
    if symbolic(x) or symbolic(y):
        return _by_element(_known_divided, x, y)
    if x.dtype.kind == "f":
        return x / y
    return np.trunc(x / y).astype(x.dtype)


@operator("And", "Or", "Xor")
def logical(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Compute ONNX's `And`, `Or` and `Xor`."""
    kinds = {
        "And": torch.logical_and,
        "Or": torch.logical_or,
        "Xor": torch.logical_xor,
    }
    return kinds[call.node.kind](x, y)


@operator("Mod")
def modulo(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Compute ONNX's `Mod`."""
    return torch.fmod(x, y) if call.get("fmod") else torch.remainder(x, y)


@on_known("Mod")
def _mod_known(call: Call, x: Known, y: Known) -> Known:
    if symbolic(x) or symbolic(y):
        return _by_element(op.mod, x, y)
    return np.fmod(x, y) if call.get("fmod") else np.mod(x, y)


@operator("BitShift")
def shifted(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Compute ONNX's `BitShift`."""
    wide, by = x.long(), y.long()
    left = call.get("direction") == "LEFT"
    return (wide << by if left else wide >> by).to(x.dtype)


@operator("Sum", "Mean", "Max", "Min", raw=tuple(range(64)))
def variadic(call: Call, *values: Value) -> Tensor:
    """Compute ONNX's `Sum`, `Mean`, `Max` and `Min`."""
    tensors: list[Any] = [call.tensor(value) for value in values]
    kind = call.node.kind
    if kind in ("Sum", "Mean"):
        total = reduce(torch.add, tensors)
        return total / len(tensors) if kind == "Mean" else total  # type: ignore[no-any-return]
    return reduce(torch.maximum if kind == "Max" else torch.minimum, tensors)  # type: ignore[no-any-return]


@on_known("Max", "Min")
def _extreme_known(call: Call, *values: Known) -> Known:
    least = call.node.kind == "Min"
    if any(map(symbolic, values)):
        pick = torch.sym_min if least else torch.sym_max
        return reduce(lambda a, b: _by_element(pick, a, b), values)
    return reduce(np.minimum if least else np.maximum, values)


@operator("Where", raw=(0, 1, 2))
def where(call: Call, condition: Value, x: Value, y: Value) -> Tensor:
    """Compute ONNX's `Where`."""
    chosen = call.tensor(condition)
    return torch.where(chosen, _scalar(call, x, y), _scalar(call, y, x))


def _scalar(call: Call, value: Value, other: Value) -> Any:
    if isinstance(other, Tensor) and not isinstance(value, Tensor) and not value.ndim:
        return number(value)
    return call.tensor(value)


@on_known("Where")
def _where_known(call: Call, condition: Known, x: Known, y: Known) -> Known:
    return known(np.where(condition.astype(bool), x, y))


@operator("Clip", known=(1, 2))
def clip(
    call: Call, x: Tensor, low: Known | None = None, high: Known | None = None
) -> Tensor:
    """Compute ONNX's `Clip`."""
    least = call.get("min") if low is None else number(low)
    most = call.get("max") if high is None else number(high)
    if least == 0 and most == 6 and x.is_floating_point():
        return F.relu6(x)
    if least is None and most is None:
        return x
    return torch.clamp(x, least, most)


@operator("LeakyRelu")
def leaky_relu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `LeakyRelu`."""
    return F.leaky_relu(x, call.get("alpha", 0.01))


@operator("Elu")
def elu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Elu`."""
    return F.elu(x, call.get("alpha", 1.0))


@operator("Celu")
def celu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Celu`."""
    return F.celu(x, call.get("alpha", 1.0))


@operator("Selu")
def selu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Selu`."""
    alpha = call.get("alpha", 1.67326319217681884765625)
    gamma = call.get("gamma", 1.05070102214813232421875)
    return gamma * F.elu(x, alpha)  # type: ignore[no-any-return]


@operator("ThresholdedRelu")
def thresholded_relu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `ThresholdedRelu`."""
    return F.threshold(x, call.get("alpha", 1.0), 0.0)


@operator("PRelu", roles=("", "weight"))
def prelu(call: Call, x: Tensor, slope: Tensor) -> Tensor:
    """Compute ONNX's `PRelu`."""
    channels = x.ndim > 1 and slope.numel() in (1, slope.shape[0])
    if channels and (slope.numel() == 1 or slope.ndim == x.ndim - 1):
        return F.prelu(x, slope.reshape(-1))
    return torch.where(x > 0, x, x * slope)


@operator("HardSigmoid")
def hard_sigmoid(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `HardSigmoid`."""
    alpha, beta = call.get("alpha", 0.2), call.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid(x)
    return torch.clamp(x * alpha + beta, 0, 1)


@operator("Gelu")
def gelu(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Gelu`."""
    return F.gelu(x, approximate=call.get("approximate", "none"))


@operator("Swish", "QuickGelu")
@operator("QuickGelu", domain=MICROSOFT)
def swish(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Swish` and `QuickGelu`."""
    default = 1.702 if call.node.kind == "QuickGelu" else 1.0
    alpha = call.get("alpha", default)
    return F.silu(x) if alpha == 1 else x * torch.sigmoid(x * alpha)


@operator("Gelu", domain=MICROSOFT)
def gelu_microsoft(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Gelu`."""
    return F.gelu(x)


@operator("BiasGelu", domain=MICROSOFT, roles=("", "bias"))
def bias_gelu(call: Call, x: Tensor, bias: Tensor) -> Tensor:
    """Compute ONNX's `BiasGelu`."""
    return F.gelu(x + bias)


@operator("FastGelu", domain=MICROSOFT, roles=("", "bias"))
def fast_gelu(call: Call, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute ONNX's `FastGelu`."""
    return F.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("Shrink")
def shrink(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `Shrink`."""
    bias, limit = call.get("bias", 0.0), call.get("lambd", 0.5)
    zero = torch.zeros_like(x)
    return torch.where(x < -limit, x + bias, torch.where(x > limit, x - bias, zero)).to(
        x.dtype
    )


@operator("IsInf")
def is_inf(call: Call, x: Tensor) -> Tensor:
    """Compute ONNX's `IsInf`."""
    up, down = call.get("detect_positive", 1), call.get("detect_negative", 1)
    found = torch.zeros_like(x, dtype=torch.bool)
    if up:
        found = found | torch.isposinf(x)
    return found | torch.isneginf(x) if down else found


@operator("Dropout", raw=(1, 2))
def dropout(
    call: Call, x: Tensor, ratio: Value | None = None, training: Value | None = None
) -> tuple[Tensor, ...]:
    """Compute ONNX's `Dropout`."""
    if training is not None and bool(np.any(numbers(np.asarray(training)))):
        raise call.refuse("runs in training mode: export the network for inference")
    fraction = call.get("ratio", 0.5)
    if isinstance(ratio, np.ndarray):
        fraction = float(number(ratio))
    kept = F.dropout(x, fraction, training=False)
    return (kept, torch.ones_like(x, dtype=torch.bool)) if call.outputs > 1 else (kept,)
