"""Functions that stand in the graph of a functional model as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.errors import ModelError
from edgekit.program.channel_order import Value, agreed
from edgekit.sources.keras.layers import activations
from edgekit.sources.keras.layers.registry import Function, Layer, builds

_BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    "Add": torch.add,
    "Subtract": torch.sub,
    "Multiply": torch.mul,
    "Divide": torch.true_divide,
    "TrueDivide": torch.true_divide,
    "Maximum": torch.maximum,
    "Minimum": torch.minimum,
    "Power": torch.pow,
}
_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs, "Absolute": torch.abs, "Negative": torch.neg, "Exp": torch.exp,
    "Log": torch.log, "Sqrt": torch.sqrt, "Rsqrt": torch.rsqrt, "Square": torch.square,
    "Sin": torch.sin, "Cos": torch.cos, "Floor": torch.floor, "Sign": torch.sign,
    "Tanh": torch.tanh, "Erf": torch.erf, "Reciprocal": torch.reciprocal,
}  # fmt: skip
_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Softplus": "softplus",
    "Softsign": "softsign", "Softmax": "softmax", "LogSoftmax": "log_softmax",
    "Gelu": "gelu", "Elu": "elu", "Selu": "selu",
}  # fmt: skip
_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "Mean": torch.mean, "Sum": torch.sum, "Max": torch.amax, "Min": torch.amin,
}  # fmt: skip


def _last(given: Any) -> Any:
    """A value in the file's order; constants as they are."""
    return given.last() if isinstance(given, Value) else given


def _pair(function: Callable[[Any, Any], Tensor], x1: Any, x2: Any) -> Value:
    """A function of two values, or of one and a number, broadcast as arrays are."""
    both = [each for each in (x1, x2) if isinstance(each, Value)]
    if len(both) == 2 and both[0].rank == both[1].rank:
        tensors, first = agreed(both)
        return Value(function(*tensors), first)
    if len(both) == 1 and all(
        isinstance(each, int | float)
        for each in (x1, x2)
        if not isinstance(each, Value)
    ):
        [value] = both
        given = [
            v.data if isinstance(v, Value) else _number(v, value) for v in (x1, x2)
        ]
        return Value(function(*given), value.first)
    like = both[0].data
    given = [
        _last(v) if isinstance(v, Value) else torch.as_tensor(v).to(like)
        for v in (x1, x2)
    ]
    return Value(function(*given))


def _number(number: float, value: Value) -> Tensor:
    return torch.tensor(number, dtype=value.data.dtype)


@builds(*(f"ops.{name}" for name in _BINARY))
def binary(layer: Layer) -> nn.Module:
    """Build the module of Keras's `binary` operators."""
    function = _BINARY[layer.kind]
    return Function(lambda x1, x2: _pair(function, x1, x2))


@builds(*(f"ops.{name}" for name in _UNARY))
def unary(layer: Layer) -> nn.Module:
    """Build the module of Keras's `unary` operators."""
    function = _UNARY[layer.kind]
    return Function(lambda x: x.mapped(function))


@builds(*(f"ops.{name}" for name in _ACTIVATIONS))
def activation(layer: Layer) -> nn.Module:
    """Build the module of Keras's `activation` operators."""
    function = activations.by_name(_ACTIVATIONS[layer.kind], layer.config.version)
    if layer.get("axis", -1) != -1:
        raise ValueError("another axis than the last is not supported")
    if layer.kind == "Gelu" and layer.get("approximate", True):
        return Function(lambda x: x.mapped(lambda t: F.gelu(t, approximate="tanh")))
    return Function(function)


@builds(*(f"ops.{name}" for name in _REDUCTIONS))
def reduction(layer: Layer) -> nn.Module:
    """Build the module of Keras's `reduction` operators."""
    function = _REDUCTIONS[layer.kind]
    fixed, kept = layer.get("axis"), bool(layer.get("keepdims", False))

    def reduced(x: Value, axis: Any = None, keepdims: bool = False) -> Value:
        found = fixed if axis is None else axis
        if found is None:
            raise ModelError(f"Layer '{layer.place}' reduces the batch.")
        axes = [found] if isinstance(found, int) else list(found)
        keep = kept or keepdims
        if keep:
            at = [x.axis(n) for n in axes]
            return Value(function(x.data, at, keepdim=True), x.first)
        return Value(function(x.last(), axes))

    return Function(reduced)


@builds("ops.Reshape")
def reshape(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Reshape`."""
    target = layer.get("newshape")

    def function(x: Value, newshape: Any = None) -> Value:
        sizes = [-1 if n is None else int(n) for n in (newshape or target)]
        data = x.last()
        return Value(data.reshape(data.shape[0], *sizes[1:]))

    return Function(function)


@builds("ops.Transpose")
def transpose(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Transpose`."""
    fixed = layer.get("axes")

    def function(x: Value, axes: Any = None) -> Value:
        order = axes or fixed
        if not order or order[0] != 0:
            raise ModelError(f"Layer '{layer.place}' moves the batch.")
        return Value(x.last().permute(*order))

    return Function(function)


@builds("ops.ExpandDims")
def expand(layer: Layer) -> nn.Module:
    """Build the module of Keras's `ExpandDims`."""
    fixed = layer.get("axis")
    return Function(lambda x, axis=None: Value(x.last().unsqueeze(_one(axis, fixed))))


@builds("ops.Squeeze")
def squeeze(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Squeeze`."""
    fixed = layer.get("axis")
    return Function(lambda x, axis=None: Value(x.last().squeeze(_one(axis, fixed))))


def _one(axis: Any, fixed: Any) -> int:
    found = fixed if axis is None else axis
    [only] = found if isinstance(found, list | tuple) else [found]
    return int(only)


@builds("ops.Concatenate")
def concatenate(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Concatenate`."""
    fixed = int(layer.get("axis", 0))

    def function(xs: Sequence[Value], axis: int | None = None) -> Value:
        tensors, first = agreed(xs)
        at = fixed if axis is None else axis
        return Value(torch.cat(tensors, Value(tensors[0], first).axis(at)), first)

    return Function(function)


@builds("ops.Matmul")
def matmul(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Matmul`."""
    return Function(lambda x1, x2: Value(_last(x1) @ _last(x2)))


@builds("ops.Clip")
def clip(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Clip`."""
    low, high = layer.get("x_min"), layer.get("x_max")

    def function(x: Value, x_min: Any = None, x_max: Any = None) -> Value:
        least = low if x_min is None else x_min
        most = high if x_max is None else x_max
        return x.mapped(lambda t: t.clamp(least, most))

    return Function(function)


@builds("ops.Cast")
def cast(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Cast`."""
    if layer.get("dtype", "float32") not in ("float32", "int32", "int64"):
        raise ValueError(f"a cast to {layer.get('dtype')}")
    return Function(lambda x, dtype=None: x)


@builds("ops.GetItem")
def get_item(layer: Layer) -> nn.Module:
    """Build the module of Keras's `GetItem`."""

    def function(x: Value, key: Any) -> Value:
        requested = key if isinstance(key, list | tuple) else [key]
        if (
            requested
            and isinstance(requested[0], slice)
            and requested[0] != slice(None)
        ):
            raise ModelError(f"Layer '{layer.place}' takes samples from the batch.")
        return Value(x.last()[tuple(requested)])

    return Function(function)


_TENSORFLOW: Mapping[str, str] = {
    "math.add": "Add", "__operators__.add": "Add", "math.subtract": "Subtract",
    "math.multiply": "Multiply", "math.truediv": "Divide", "math.divide": "Divide",
    "math.maximum": "Maximum", "math.minimum": "Minimum", "math.pow": "Power",
    "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.sigmoid": "Sigmoid",
    "math.sigmoid": "Sigmoid", "nn.silu": "Silu", "nn.swish": "Silu", "nn.softmax": "Softmax",
    "math.tanh": "Tanh", "nn.tanh": "Tanh", "math.abs": "Abs", "math.exp": "Exp",
    "math.log": "Log", "math.sqrt": "Sqrt", "math.rsqrt": "Rsqrt", "math.square": "Square",
    "math.negative": "Negative",
}  # fmt: skip
"""TensorFlow's functions in files of Keras 2, by the operation of Keras 3 that is the same."""


@builds("TFOpLambda")
def tensorflow(layer: Layer) -> nn.Module:
    """Build the module of Keras's `TFOpLambda`."""
    name = str(layer.values.get("function"))
    kind = _TENSORFLOW.get(name)
    if kind is None:
        raise ValueError(f"TensorFlow's function {name[:40]!r} is not supported")
    if kind in _BINARY:
        function = _BINARY[kind]
        return Function(lambda x, y: _pair(function, x, y))
    if kind in _UNARY:
        single = _UNARY[kind]
        return Function(lambda x: x.mapped(single))
    return Function(activations.by_name(_ACTIVATIONS[kind], layer.config.version))
