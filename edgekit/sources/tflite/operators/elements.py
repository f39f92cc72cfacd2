"""Operators that work element by element, and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.program.channel_order import Value, agreed, ordered
from edgekit.sources.tflite.walk import Call, computes

_ACTIVATIONS: dict[int, Callable[[Tensor], Tensor]] = {
    0: lambda x: x,
    1: F.relu,
    2: lambda x: x.clamp(-1, 1),
    3: F.relu6,
    4: torch.tanh,
}
_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "ABS": torch.abs, "EXP": torch.exp, "LOG": torch.log, "SQRT": torch.sqrt,
    "RSQRT": torch.rsqrt, "SQUARE": torch.square, "NEG": torch.neg, "SIN": torch.sin,
    "COS": torch.cos, "FLOOR": torch.floor, "CEIL": torch.ceil, "ROUND": torch.round,
    "SIGN": torch.sign, "LOGICAL_NOT": torch.logical_not, "RELU": F.relu, "RELU6": F.relu6,
    "RELU_N1_TO_1": lambda x: x.clamp(-1, 1), "RELU_0_TO_1": lambda x: x.clamp(0, 1),
    "ELU": F.elu, "HARD_SWISH": F.hardswish, "LOGISTIC": torch.sigmoid, "TANH": torch.tanh,
    "QUANTIZE": lambda x: x, "DEQUANTIZE": lambda x: x, "DENSIFY": lambda x: x,
}  # fmt: skip
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ADD": torch.add, "SUB": torch.sub, "MUL": torch.mul, "DIV": torch.true_divide,
    "MAXIMUM": torch.maximum, "MINIMUM": torch.minimum, "POW": torch.pow,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) ** 2, "FLOOR_DIV": torch.floor_divide,
    "FLOOR_MOD": torch.remainder, "EQUAL": torch.eq, "NOT_EQUAL": torch.ne,
    "GREATER": torch.gt, "GREATER_EQUAL": torch.ge, "LESS": torch.lt, "LESS_EQUAL": torch.le,
    "LOGICAL_AND": torch.logical_and, "LOGICAL_OR": torch.logical_or,
}  # fmt: skip
_ON_HOST: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": lambda a, b: a + b, "SUB": lambda a, b: a - b, "MUL": lambda a, b: a * b,
    "FLOOR_DIV": lambda a, b: a // b, "DIV": lambda a, b: a // b,
    "MAXIMUM": max, "MINIMUM": min,
}  # fmt: skip
_REDUCED_ON_HOST: dict[str, Callable[[list[Any]], Any]] = {
    "SUM": sum, "REDUCE_PROD": math.prod, "REDUCE_MAX": max, "REDUCE_MIN": min,
}  # fmt: skip


def _products(x: Tensor, axes: Sequence[int], keepdim: bool = False) -> Tensor:
    for axis in sorted((n % x.ndim for n in axes), reverse=True):
        x = x.prod(axis, keepdim=keepdim)
    return x


_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "MEAN": torch.mean, "SUM": torch.sum, "REDUCE_MAX": torch.amax, "REDUCE_MIN": torch.amin,
    "REDUCE_PROD": _products,
}  # fmt: skip


def activated(call: Call, value: Value) -> Value:
    """The activation that the operator has at its end."""
    kind = call.option("FusedActivationFunction")
    if kind not in _ACTIVATIONS:
        raise ValueError(f"its activation {kind} is not supported")
    return value.mapped(_ACTIVATIONS[kind])


def spread(call: Call, result: Value) -> Value:
    """A result in the same dilated space as the operator's first input."""
    block = call.walk.dilated.get(call.operator.inputs[0])
    if block is not None:
        call.walk.dilated[call.operator.outputs[0]] = block
    return result


@computes(*_UNARY)
def unary(call: Call) -> Value:
    """Compute TFLite's `unary` operators."""
    return spread(call, call.value(0).mapped(_UNARY[call.kind]))


@computes("GELU")
def gelu(call: Call) -> Value:
    """Compute TFLite's `GELU`."""
    form = "tanh" if call.option("Approximate") else "none"
    return call.value(0).mapped(lambda x: F.gelu(x, approximate=form))


@computes("LEAKY_RELU")
def leaky_relu(call: Call) -> Value:
    """Compute TFLite's `LEAKY_RELU`."""
    slope = float(call.option("Alpha"))
    return call.value(0).mapped(lambda x: F.leaky_relu(x, slope))


@computes("PRELU")
def prelu(call: Call) -> Value:
    """Compute TFLite's `PRELU`."""
    x, slope = _pair(call.value(0), call.value(1))
    return Value(F.relu(x.data) - slope.data * F.relu(-x.data), x.first)


@computes("SOFTMAX", "LOG_SOFTMAX")
def softmax(call: Call) -> Value:
    """Compute TFLite's `SOFTMAX` and `LOG_SOFTMAX`."""
    beta = float(call.option("Beta", 1.0)) if call.kind == "SOFTMAX" else 1.0
    function = F.softmax if call.kind == "SOFTMAX" else F.log_softmax
    value = call.value(0)
    axis = value.axis(-1)
    return value.mapped(lambda x: function(x if beta == 1 else x * beta, axis))


@computes("L2_NORMALIZATION")
def normalize(call: Call) -> Value:
    """Compute TFLite's `L2_NORMALIZATION`."""
    value = call.value(0)
    return value.mapped(lambda x: F.normalize(x, dim=value.axis(-1), eps=1e-6))


def _pair(one: Value, other: Value) -> tuple[Value, Value]:
    """Both in one order, the one of fewer dimensions spread as arrays are."""
    rank = max(one.rank, other.rank)
    raised = [
        value if value.rank in (0, rank) else
        Value(value.last().reshape(*(1,) * (rank - value.rank), *value.last().shape))
        for value in (one, other)
    ]  # fmt: skip
    if any(value.rank == 0 for value in raised):
        first = next((v.first for v in raised if v.rank), False)
        return Value(raised[0].data, first), Value(raised[1].data, first)
    tensors, first = agreed(raised)
    return Value(tensors[0], first), Value(tensors[1], first)


def _batched(call: Call) -> tuple[Value, Value]:
    """Both inputs; one of fewer dimensions has its batch in front of the dimensions added.

    At the file's own batch of 1 there is no difference.
    """
    one, other = call.value(0), call.value(1)
    rank = max(one.rank, other.rank)

    def raised(number: int, value: Value) -> Value:
        if not 2 <= value.rank < rank or not call.computed(number):
            return value
        x = value.last()
        return Value(x.reshape(x.shape[0], *(1,) * (rank - value.rank), *x.shape[1:]))

    return raised(0, one), raised(1, other)


@computes(*_BINARY)
def binary(call: Call) -> Any:
    """Compute TFLite's `binary` operators."""
    if call.is_host(0) and call.is_host(1) and call.kind in _ON_HOST:
        function = _ON_HOST[call.kind]
        one, other = call.host(0), call.host(1)
        count = max(len(one), len(other))
        one, other = (x * count if len(x) == 1 else x for x in (one, other))
        return [function(a, b) for a, b in zip(one, other, strict=True)]
    left, right = _pair(*_batched(call))
    made = Value(_BINARY[call.kind](left.data, right.data), left.first)
    return spread(
        call, activated(call, made) if call.kind in "ADD SUB MUL DIV" else made
    )


@computes("ADD_N")
def add_n(call: Call) -> Value:
    """Compute TFLite's `ADD_N`."""
    total = call.value(0)
    for number in range(1, len(call.operator.inputs)):
        one, other = _pair(total, call.value(number))
        total = Value(one.data + other.data, one.first)
    return total


@computes(*_REDUCTIONS)
def reduction(call: Call) -> Any:
    """Compute TFLite's `reduction` operators; those of a row of sizes on the host."""
    if call.is_host(0) and call.kind in _REDUCED_ON_HOST and len(call.shape(0)) == 1:
        return [_REDUCED_ON_HOST[call.kind](call.host(0))]
    value = call.value(0)
    axes = [int(n) for n in call.host(1)]
    function = _REDUCTIONS[call.kind]
    if call.option("KeepDims"):
        at = [value.axis(n) for n in axes]
        return Value(function(value.data, at, keepdim=True), value.first)
    spatial = {n % value.rank for n in axes} == set(range(1, value.rank - 1))
    if value.first and spatial:
        return Value(function(value.data, list(range(2, value.rank))))
    return Value(function(value.last(), axes))


@computes("ARG_MAX", "ARG_MIN")
def extreme(call: Call) -> Value:
    """Compute TFLite's `ARG_MAX` and `ARG_MIN`."""
    [axis] = call.host(1)
    value = call.value(0)
    function = torch.argmax if call.kind == "ARG_MAX" else torch.argmin
    value = ordered(value.channels_first()) if value.rank >= 4 else value
    found = function(value.data, value.axis(int(axis)))
    kind = torch.int32 if call.option("OutputType") == 2 else torch.int64
    return Value(found.to(kind))


@computes("SELECT", "SELECT_V2")
def select(call: Call) -> Value:
    """Compute TFLite's `SELECT` and `SELECT_V2`."""
    one, other = _pair(call.value(1), call.value(2))
    condition = call.value(0)
    if condition.rank == one.rank:
        tensors, first = agreed([condition, one, other])
        chosen, left, right = tensors
        return Value(torch.where(chosen, left, right), first)
    return Value(torch.where(condition.last(), one.last(), other.last()))


@computes("CAST")
def cast(call: Call) -> Any:
    """Compute TFLite's `CAST`."""
    kinds = {0: torch.float32, 2: torch.int32, 4: torch.int64, 6: torch.bool}
    requested = call.walk.graph.tensors[call.operator.outputs[0]].kind
    if call.is_host(0) and requested in ("INT32", "INT64"):
        return call.host(0)
    kind = kinds[call.option("OutDataType")]
    return call.value(0).mapped(lambda x: x.to(kind))
