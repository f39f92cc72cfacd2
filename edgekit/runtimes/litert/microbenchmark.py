"""One-operator TFLite models: what LiteRT and tflite-runtime are timed on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from edgekit.errors import RuntimeMissing
from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    bias,
    quantized,
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
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise RuntimeMissing(
            "Cost tables for LiteRT need ai-edge-litert: pip install 'edgekit[litert]'"
        ) from error

    graph, quantize = _Graph(schema), precision == "int8"
    chain = [(one, _parts(one, schema)) for one in _chain(operator)]
    _, first = chain[0]
    tensor = graph.tensor(first.given, scale=INPUT_SCALE if quantize else None)
    for one, parts in chain:
        tensor = graph.add(one, parts, tensor, quantize=quantize)
    builder = flatbuffers.Builder(1024)
    builder.Finish(graph.model(tensor).Pack(builder), b"TFL3")
    return bytes(builder.Output())


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


class _Graph:
    """Tensors and their buffers, as they are added."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._buffers = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def add(
        self, operator: OperatorShape, parts: _Parts, source: int, *, quantize: bool
    ) -> int:
        """Add an operator that reads `source`; returns its output's number."""
        schema, operands = self._schema, [source]
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
        code, step = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = parts.code
        code.version = parts.version if quantize else 1
        step.opcodeIndex = len(self._codes)
        step.inputs, step.outputs = operands, [made]
        step.builtinOptionsType = parts.options_type
        step.builtinOptions = parts.options
        self._codes.append(code)
        self._operators.append(step)
        return made

    def tensor(
        self, shape: Shape, data: Array | None = None, scale: Any = None, axis: int = 0
    ) -> int:
        """A tensor's number; quantized, with a scale each along `axis`, where there is one."""
        schema = self._schema
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.name = f"t{len(self._tensors)}"
        tensor.buffer = 0
        tensor.type = schema.TensorType.FLOAT32
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.type = schema.TensorType.INT8
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            if data.dtype == np.int32:
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(data).view(np.uint8).ravel()
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constants(
        self, pair: tuple[Array, Array], channel_axis: int, quantize: bool
    ) -> list[int]:
        """Weight and bias."""
        weight, bias = pair
        if not quantize:
            return [self.tensor(value.shape, value) for value in (weight, bias)]
        stored, scales = quantized(weight, channel_axis)
        return [
            self.tensor(weight.shape, stored, scales, channel_axis),
            self.tensor(bias.shape, bias.astype(np.int32), INPUT_SCALE * scales),
        ]

    def model(self, output: int) -> Any:
        """The model: the first tensor goes in, and `output` comes out."""
        graph = self._schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [0], [output]
        model = self._schema.ModelT()
        model.version = 3
        model.operatorCodes = self._codes
        model.buffers = self._buffers
        model.subgraphs = [graph]
        return model


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
