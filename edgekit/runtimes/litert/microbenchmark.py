"""One-operator TFLite models: what LiteRT and tflite-runtime are timed on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from edgekit.errors import RuntimeMissing
from edgekit.runtimes.litert import operator_chains as chains
from edgekit.runtimes.litert.operator_graph import OperatorGraph
from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    bias,
    weights,
)
from edgekit.types import Precision
from edgekit.types.operator_shape import OperatorShape

SUFFIX = ".tflite"
_MOVING = ("pool", "slice", "pad")
"""Kinds whose outputs are values of their inputs."""
Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


class _Parts(NamedTuple):
    code: int
    version: int
    """Of the operator where it is quantized: the first that takes 8-bit tensors."""
    options_type: int
    options: Any
    given: Shape
    made: Shape
    weight: Array | None = None
    channel_axis: int = 0
    indices: tuple[Array, ...] = ()


def model(operator: OperatorShape, precision: Precision) -> bytes:
    """The model's bytes; in `int8`, signed 8-bit activations and channel-wise weights."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise RuntimeMissing(
            "Cost tables for LiteRT need ai-edge-litert: pip install 'edgekit[litert]'"
        ) from error

    graph, quantize = _Graph(schema), precision == "int8"
    if operator.kind in chains.KINDS:
        return graph.written(chains.add(graph, operator, quantize=quantize))
    chain = [(one, _parts(one, schema)) for one in _chain(operator)]
    _, first = chain[0]
    tensor = graph.tensor(first.given, scale=INPUT_SCALE if quantize else None)
    for one, parts in chain:
        tensor = graph.add(one, parts, tensor, quantize=quantize)
    return graph.written(tensor)


def _chain(operator: OperatorShape) -> list[OperatorShape]:
    """The operator as it is exported: a convolution whose padding TFLite has no word for
    ("same" pads one end of an even size alone, where it strides) has an operator for that."""
    if operator.kind != "conv" or not any(operator.padding) or _same(operator):
        return [operator]
    pad = OperatorShape(
        kind="pad",
        inputs=operator.inputs,
        outputs=operator.inputs,
        size=operator.size,
        padding=operator.padding,
    )
    return [pad, replace(operator, size=pad.output_size, padding=(0, 0))]


def _same(operator: OperatorShape) -> bool:
    """Return whether "same" pads as much at both ends as the operator does."""
    ends = zip(
        *(operator.size, operator.kernel, operator.stride, operator.padding),
        operator.dilation,
        strict=True,
    )
    return all(
        (math.ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size
        == 2 * padding
        for size, kernel, stride, padding, dilation in ends
    )


class _Graph(OperatorGraph):
    """With single operators by their shapes."""

    def add(
        self, operator: OperatorShape, parts: _Parts, source: int, *, quantize: bool
    ) -> int:
        """Add an operator that reads `source`; returns its output's number."""
        schema, operands = self.schema, [source]
        if operator.relu and operator.kind not in _MOVING:
            rectifier = schema.ActivationFunctionType.RELU
            parts.options.fusedActivationFunction = rectifier
        if operator.kind == "elementwise":
            operands = [source, source]
        if parts.weight is not None:
            pair = (parts.weight, bias(operator))
            operands += self.constants(pair, parts.channel_axis, quantize)
        operands += [self.tensor(one.shape, one) for one in parts.indices]
        # Values that are only moved keep their scale.
        scale = INPUT_SCALE if operator.kind in _MOVING else OUTPUT_SCALE
        made = self.tensor(parts.made, scale=scale if quantize else None)
        options = parts.options_type, parts.options
        version = parts.version if quantize else 1
        self.step(parts.code, operands, made, options, version=version)
        return made


def _parts(operator: OperatorShape, schema: Any) -> _Parts:
    builtin, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    given = (1, *operator.size, operator.inputs)
    if operator.kind == "linear":
        rows = math.prod(operator.size)
        return _Parts(
            builtin.FULLY_CONNECTED,
            5,
            kinds.FullyConnectedOptions,
            schema.FullyConnectedOptionsT(),
            (rows, operator.inputs),
            (rows, operator.outputs),
            weights(operator.outputs, operator.inputs),
        )
    if operator.kind == "elementwise":
        options = schema.AddOptionsT()
        return _Parts(builtin.ADD, 2, kinds.AddOptions, options, given, given)
    if operator.kind == "pool":
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = operator.kernel
        options.strideH, options.strideW = operator.stride
        options.padding, made = _padding(operator, schema)
        code = builtin.MAX_POOL_2D
        return _Parts(code, 2, kinds.Pool2DOptions, options, given, made)
    if operator.kind in _MOVING:
        return _move(operator, schema, given)
    return _convolution(operator, schema, given)


def _move(operator: OperatorShape, schema: Any, given: Shape) -> _Parts:
    """A strided slice, or padding."""
    builtin, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    made = (1, *operator.output_size, operator.outputs)
    if operator.kind == "slice":
        code, kind = builtin.STRIDED_SLICE, kinds.StridedSliceOptions
        rows = ((0, 0, 0, 0), given, (1, *operator.stride, 1))
        indices = tuple(np.array(row, np.int32) for row in rows)
        options = schema.StridedSliceOptionsT()
        return _Parts(code, 2, kind, options, given, made, indices=indices)
    more = operator.outputs - operator.inputs
    ends = ((0, 0), *((pad, pad) for pad in operator.padding), (0, more))
    options = schema.PadOptionsT()
    indices = (np.array(ends, np.int32),)
    return _Parts(
        builtin.PAD, 2, kinds.PadOptions, options, given, made, indices=indices
    )


def _convolution(operator: OperatorShape, schema: Any, given: Shape) -> _Parts:
    builtin, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    if operator.groups == operator.inputs > 1:
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = operator.outputs // operator.inputs
        weight = weights(1, *operator.kernel, operator.outputs)
        code, kind, axis = builtin.DEPTHWISE_CONV_2D, kinds.DepthwiseConv2DOptions, 3
    else:
        options = schema.Conv2DOptionsT()
        weight = weights(
            operator.outputs, *operator.kernel, operator.inputs // operator.groups
        )
        code, kind, axis = builtin.CONV_2D, kinds.Conv2DOptions, 0
    options.strideH, options.strideW = operator.stride
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.padding, made = _padding(operator, schema)
    return _Parts(code, 3, kind, options, given, made, weight, axis)


def _padding(operator: OperatorShape, schema: Any) -> tuple[Any, Shape]:
    """TFLite has SAME and VALID only; a pool's padding counts as SAME."""
    if not any(operator.padding):
        return schema.Padding.VALID, (1, *operator.output_size, operator.outputs)
    size = (
        math.ceil(extent / stride)
        for extent, stride in zip(operator.size, operator.stride, strict=True)
    )
    return schema.Padding.SAME, (1, *size, operator.outputs)
