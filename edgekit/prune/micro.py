"""One-operator models in a runtime's own format, written directly.

A TFLite flatbuffer made through the schema takes about a millisecond where a conversion takes
seconds, so a table of hundreds of shapes costs no more than running them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import RuntimeMissing
from edgekit.prune.workload import Operator
from edgekit.types import RuntimeName


def write(operator: Operator, runtime: RuntimeName, folder: Path) -> Path:
    """A float32 model of `operator` alone, batch size 1, with seeded random weights."""
    writer, suffix = _FORMATS[runtime]
    path = folder / f"{operator.key.replace(':', '-').replace(',', '_')}{suffix}"
    path.write_bytes(writer(operator))
    return path


def _weights(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    generator = np.random.default_rng(0)
    scale = 1 / math.sqrt(max(1, math.prod(shape[1:])))
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)


# --- ONNX ---------------------------------------------------------------------------------


def _onnx(operator: Operator) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    given, weights, attributes, kind = _onnx_parts(operator)
    constants = [
        numpy_helper.from_array(value, f"w{number}")
        for number, value in enumerate(weights)
    ]
    inputs = ["x", *(constant.name for constant in constants)]
    if operator.kind == "elementwise":
        inputs = ["x", "x"]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"], **attributes)],
        "operator",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    return bytes(model.SerializeToString())


def _onnx_parts(
    operator: Operator,
) -> tuple[tuple[int, ...], list[Any], dict[str, Any], str]:
    image = (1, operator.inputs, *operator.size)
    pads = [*operator.padding, *operator.padding]
    window = {
        "kernel_shape": list(operator.kernel),
        "strides": list(operator.stride),
        "pads": pads,
    }
    if operator.kind == "conv":
        weight = _weights(
            operator.outputs, operator.inputs // operator.groups, *operator.kernel
        )
        window["dilations"] = list(operator.dilation)
        bias = np.zeros(operator.outputs, np.float32)
        return image, [weight, bias], {**window, "group": operator.groups}, "Conv"
    if operator.kind == "linear":
        weight = _weights(operator.outputs, operator.inputs)
        bias = np.zeros(operator.outputs, np.float32)
        rows = (math.prod(operator.size), operator.inputs)
        return rows, [weight, bias], {"transB": 1}, "Gemm"
    if operator.kind == "pool":
        return image, [], window, "MaxPool"
    return image, [], {}, "Add"


# --- TFLite -------------------------------------------------------------------------------


def _tflite(operator: Operator) -> bytes:
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise RuntimeMissing(
            "Cost tables for LiteRT need ai-edge-litert: pip install 'edgekit[litert]'"
        ) from error

    code, options_type, options, given, constants, made = _tflite_parts(
        operator, schema
    )
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_operator_code(schema, code)]
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []

    def tensor(shape: tuple[int, ...], data: Any = None) -> int:
        made_tensor = schema.TensorT()
        made_tensor.shape = list(shape)
        made_tensor.type = schema.TensorType.FLOAT32
        made_tensor.name = f"t{len(graph.tensors)}"
        made_tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(data, np.float32).view(np.uint8).ravel()
            made_tensor.buffer = len(model.buffers)
            model.buffers.append(buffer)
        graph.tensors.append(made_tensor)
        return len(graph.tensors) - 1

    source = tensor(given)
    operands = [source, *(tensor(value.shape, value) for value in constants)]
    if operator.kind == "elementwise":
        operands = [source, source]
    step = schema.OperatorT()
    step.opcodeIndex = 0
    step.inputs = operands
    step.outputs = [tensor(made)]
    step.builtinOptionsType = options_type
    step.builtinOptions = options
    graph.operators = [step]
    graph.inputs, graph.outputs = [source], step.outputs
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _operator_code(schema: Any, builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code


def _tflite_parts(operator: Operator, schema: Any) -> tuple[Any, ...]:
    builtin, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    given = (1, *operator.size, operator.inputs)
    made: tuple[int, ...] = (1, *operator.output_size, operator.outputs)
    if operator.kind == "linear":
        options = schema.FullyConnectedOptionsT()
        rows = math.prod(operator.size)
        constants = [
            _weights(operator.outputs, operator.inputs),
            np.zeros(operator.outputs, np.float32),
        ]
        return (
            builtin.FULLY_CONNECTED,
            kinds.FullyConnectedOptions,
            options,
            (rows, operator.inputs),
            constants,
            (rows, operator.outputs),
        )
    if operator.kind == "elementwise":
        return builtin.ADD, kinds.AddOptions, schema.AddOptionsT(), given, [], given
    if operator.kind == "pool":
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = operator.kernel
        options.strideH, options.strideW = operator.stride
        options.padding, made = _tflite_padding(operator, schema)
        return builtin.MAX_POOL_2D, kinds.Pool2DOptions, options, given, [], made
    bias = np.zeros(operator.outputs, np.float32)
    if operator.groups == operator.inputs > 1:
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = operator.outputs // operator.inputs
        weight = _weights(1, *operator.kernel, operator.outputs)
        code, kind = builtin.DEPTHWISE_CONV_2D, kinds.DepthwiseConv2DOptions
    else:
        options = schema.Conv2DOptionsT()
        weight = _weights(
            operator.outputs, *operator.kernel, operator.inputs // operator.groups
        )
        code, kind = builtin.CONV_2D, kinds.Conv2DOptions
    options.strideH, options.strideW = operator.stride
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.padding, made = _tflite_padding(operator, schema)
    return code, kind, options, given, [weight, bias], made


def _tflite_padding(operator: Operator, schema: Any) -> tuple[Any, tuple[int, ...]]:
    """TFLite knows SAME and VALID only; any padding counts as SAME, which costs the same."""
    if not any(operator.padding):
        return schema.Padding.VALID, (1, *operator.output_size, operator.outputs)
    size = (
        math.ceil(extent / stride)
        for extent, stride in zip(operator.size, operator.stride, strict=True)
    )
    return schema.Padding.SAME, (1, *size, operator.outputs)


_FORMATS: dict[RuntimeName, tuple[Callable[[Operator], bytes], str]] = {
    "litert": (_tflite, ".tflite"),
    "tflite-runtime": (_tflite, ".tflite"),
    "onnxruntime": (_onnx, ".onnx"),
    "openvino": (_onnx, ".onnx"),
}
