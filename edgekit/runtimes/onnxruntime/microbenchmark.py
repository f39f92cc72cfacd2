"""One-operator ONNX models: what ONNX Runtime and OpenVINO are timed on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from edgekit.runtimes.weights import (
    INPUT_SCALE,
    OUTPUT_SCALE,
    bias,
    quantized,
    weights,
)
from edgekit.types import Precision
from edgekit.types.operator_shape import OperatorShape

SUFFIX = ".onnx"


class _Parts(NamedTuple):
    kind: str
    shape: tuple[int, ...]
    constants: tuple[np.ndarray[Any, Any], ...]
    attributes: dict[str, Any]


def model(operator: OperatorShape, precision: Precision) -> bytes:
    """The model's bytes; in `int8`, QDQ with signed 8-bit input and output."""
    from onnx import TensorProto, helper

    parts = _parts(operator)
    graph = _Graph()
    if precision == "int8":
        graph.quantized(parts, operator)
    else:
        graph.float(parts, operator)
    kind = TensorProto.INT8 if precision == "int8" else TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "operator",
        [helper.make_tensor_value_info("x", kind, parts.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        graph.constants,
    )
    written = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    return bytes(written.SerializeToString())


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def float(self, parts: _Parts, operator: OperatorShape) -> None:
        names = [self._constant(value) for value in parts.constants]
        self._operator(parts, operator, ["x", *names], "y")

    def quantized(self, parts: _Parts, operator: OperatorShape) -> None:
        given = self._dequantized("x", INPUT_SCALE)
        names = []
        if parts.constants:
            weight, _ = parts.constants
            stored, scales = quantized(weight)
            names.append(self._dequantized(self._constant(stored), scales))
            steps = np.zeros(operator.outputs, np.int32)
            fine = INPUT_SCALE * scales
            names.append(self._dequantized(self._constant(steps), fine, np.int32))
        # Pooling hands on its input's scale: it moves values and makes none.
        scale = INPUT_SCALE if operator.kind == "pool" else OUTPUT_SCALE
        self._operator(parts, operator, [given, *names], "made")
        self._node("QuantizeLinear", ["made", *self._scale(np.float32(scale))], "y")

    def _operator(
        self, parts: _Parts, operator: OperatorShape, inputs: list[str], output: str
    ) -> None:
        if operator.kind == "elementwise":
            inputs = [inputs[0], inputs[0]]
        if not operator.relu:
            self._node(parts.kind, inputs, output, **parts.attributes)
            return
        self._node(parts.kind, inputs, "linear", **parts.attributes)
        self._node("Relu", ["linear"], output)

    def _dequantized(self, name: str, scale: Any, kind: Any = np.int8) -> str:
        scales = np.asarray(scale, np.float32)
        inputs = [name, *self._scale(scales, kind)]
        axis = {"axis": 0} if scales.ndim else {}
        return self._node("DequantizeLinear", inputs, f"{name}_real", **axis)

    def _scale(self, scales: Any, kind: Any = np.int8) -> list[str]:
        scales = np.asarray(scales, np.float32)
        return [self._constant(scales), self._constant(np.zeros(scales.shape, kind))]

    def _constant(self, value: np.ndarray[Any, Any]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _node(
        self, kind: str, inputs: list[str], output: str, **attributes: Any
    ) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _parts(operator: OperatorShape) -> _Parts:
    image = (1, operator.inputs, *operator.size)
    window = {
        "kernel_shape": list(operator.kernel),
        "strides": list(operator.stride),
        "pads": [*operator.padding, *operator.padding],
    }
    if operator.kind == "conv":
        weight = weights(
            operator.outputs, operator.inputs // operator.groups, *operator.kernel
        )
        more = {"dilations": list(operator.dilation), "group": operator.groups}
        return _Parts("Conv", image, (weight, bias(operator)), {**window, **more})
    if operator.kind == "linear":
        weight = weights(operator.outputs, operator.inputs)
        rows = (math.prod(operator.size), operator.inputs)
        return _Parts("Gemm", rows, (weight, bias(operator)), {"transB": 1})
    if operator.kind == "pool":
        return _Parts("MaxPool", image, (), window)
    return _Parts("Add", image, (), {})
