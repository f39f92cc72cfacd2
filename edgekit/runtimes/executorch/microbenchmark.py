"""One-operator programs for ExecuTorch: operators of PyTorch, lowered as networks are."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from edgekit.runtimes.executorch.lowering import lowered
from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    bias,
    head_widths,
    quantized,
    rows_shape,
    weights,
)
from edgekit.types import Precision
from edgekit.types.operator_shape import OperatorShape

SUFFIX = ".pte"
_MOVING = ("pool", "slice", "pad")
"""Kinds whose outputs are values of their inputs."""
_LEAST, _MOST = -128, 127


def model(operator: OperatorShape, precision: Precision) -> bytes:
    """The program's bytes; in `int8`, with 8-bit input and output, as inside a network."""
    import torch

    compute, weight = _parts(operator)
    module = _module(operator, compute, weight, in_int8=precision == "int8")
    given = torch.zeros(_shape(operator))
    if precision == "int8":
        given = given.to(torch.int8)
    return lowered(torch.export.export(module, (given,)))


def _module(
    operator: OperatorShape, compute: Callable[..., Any], weight: Any, *, in_int8: bool
) -> Any:
    """A module that computes one operator on its input."""
    import torch
    from torch.ao.quantization.fx import _decomposed  # noqa: F401 - registers the operators

    known = torch.ops.quantized_decomposed
    # Values that are only moved keep their scale.
    scale = INPUT_SCALE if operator.kind in _MOVING else OUTPUT_SCALE

    class One(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if weight is not None:
                stored, scales = quantized(weight)
                self.register_buffer(
                    "weight", torch.from_numpy(stored if in_int8 else weight)
                )
                self.register_buffer("scales", torch.from_numpy(scales))
                self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int))
                self.register_buffer("bias", torch.from_numpy(bias(operator)))

        def forward(self, x: Any) -> Any:
            if in_int8:
                x = known.dequantize_per_tensor(
                    x, INPUT_SCALE, 0, _LEAST, _MOST, torch.int8
                )
            value = compute(x, *self._operands())
            if operator.relu:
                value = torch.relu(value)
            if in_int8:
                value = known.quantize_per_tensor(
                    value, scale, 0, _LEAST, _MOST, torch.int8
                )
            return value

        def _operands(self) -> tuple[Any, ...]:
            if weight is None:
                return ()
            if not in_int8:
                return self.weight, self.bias
            found = known.dequantize_per_channel(
                self.weight, self.scales, self.zeros, 0, -_MOST, _MOST, torch.int8
            )
            return found, self.bias

    return One().eval()


def _shape(operator: OperatorShape) -> tuple[int, ...]:
    if operator.kind == "linear":
        return math.prod(operator.size), operator.inputs
    if operator.kind in ("attention", "layer_norm"):
        return rows_shape(operator)
    return 1, operator.inputs, *operator.size


def _parts(operator: OperatorShape) -> tuple[Callable[..., Any], Any]:
    """The operator as a function of its input, weight and bias, and its weight if any."""
    import torch
    from torch.nn import functional as F

    kind, high, wide = operator.kind, *operator.padding
    if kind == "conv":
        shape = (operator.outputs, operator.inputs // operator.groups, *operator.kernel)

        def convolve(x: Any, weight: Any, one: Any) -> Any:
            return F.conv2d(
                x,
                weight,
                one,
                operator.stride,
                operator.padding,
                operator.dilation,
                operator.groups,
            )

        return convolve, weights(*shape)
    if kind == "linear":
        return F.linear, weights(operator.outputs, operator.inputs)
    if kind == "pool":
        return (
            lambda x: F.max_pool2d(x, operator.kernel, operator.stride, (high, wide)),
            None,
        )
    if kind == "slice":
        down, right = operator.stride
        return lambda x: x[:, :, ::down, ::right].clone(), None
    if kind == "pad":
        more = operator.outputs - operator.inputs
        return lambda x: F.pad(x, (wide, wide, high, high, 0, more)), None
    if kind == "layer_norm":
        return lambda x: F.layer_norm(x, (operator.inputs,)), None
    if kind == "attention":
        return partial(_attention, operator), None
    return lambda x: torch.add(x, x), None


def _attention(operator: OperatorShape, x: Any) -> Any:
    """(1, positions, features of all queries, keys and values) to (1, queries, features)."""
    from torch.nn.functional import scaled_dot_product_attention

    heads, (queries, keys) = operator.groups, operator.size
    query, value = head_widths(operator)
    widths = (query, query, value)
    parts = x.split([heads * width for width in widths], dim=2)
    apart = (
        part[:, :length].reshape(1, length, heads, width).transpose(1, 2)
        for part, length, width in zip(
            parts, (queries, keys, keys), widths, strict=True
        )
    )
    mixed = scaled_dot_product_attention(*apart)
    return mixed.transpose(1, 2).reshape(1, queries, heads * value)
