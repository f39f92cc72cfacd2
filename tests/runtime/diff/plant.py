"""Faults planted in exported files: one layer's weights turned upside down."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def in_onnx(path: Path, weight: str, out: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    [found] = [one for one in model.graph.initializer if one.name == weight]
    values = numpy_helper.to_array(found)[::-1].copy()
    found.CopyFrom(numpy_helper.from_array(values, weight))
    onnx.save_model(model, str(out))


def in_tflite(path: Path, kind: str, number: int, out: Path) -> None:
    """The weights of the `number`-th operator of a kind."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    [graph] = model.subgraphs
    code = getattr(schema.BuiltinOperator, kind)
    operators = [
        operator
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == code
    ]
    tensor = graph.tensors[operators[number].inputs[1]]
    item = {schema.TensorType.FLOAT32: "<f4", schema.TensorType.INT8: "i1"}[tensor.type]
    buffer = model.buffers[tensor.buffer]
    values = np.frombuffer(bytes(buffer.data), item).reshape(tensor.shape)[::-1]
    buffer.data = list(values.tobytes())
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    out.write_bytes(bytes(builder.Output()))


def in_openvino(path: Path, operator: str, out: Path) -> None:
    import openvino
    from openvino import opset13

    model = openvino.Core().read_model(str(path))
    [node] = [n for n in model.get_ordered_ops() if n.get_friendly_name() == operator]
    constant = node.input_value(1).get_node()
    upset = opset13.constant(np.array(constant.data)[::-1].copy())
    node.input(1).replace_source_output(upset.output(0))
    openvino.save_model(model, str(out), compress_to_fp16=False)
