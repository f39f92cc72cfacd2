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
_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""Permutations of an image to channels first, and last."""
_MOVING = ("pool", "slice", "pad")
"""Kinds whose outputs are values of their inputs."""


class _Parts(NamedTuple):
    kind: str
    shape: tuple[int, ...]
    constants: tuple[np.ndarray[Any, Any], ...]
    attributes: dict[str, Any]


def model(
    operator: OperatorShape, precision: Precision, *, embedded: bool = True
) -> bytes:
    """The model's bytes; in `int8`, QDQ with 8-bit input and output.

    `embedded` as inside a network: ONNX Runtime makes signed activations unsigned on x86 and
    computes with channels last, so the operator takes and gives both, and converts nothing.
    """
    from onnx import TensorProto, helper

    parts, kind = _parts(operator), TensorProto.FLOAT
    graph, shape = _Graph(), parts.shape
    if precision == "int8":
        kind = TensorProto.UINT8 if embedded else TensorProto.INT8
        shape = graph.quantized(parts, operator, embedded=embedded)
    else:
        graph.float(parts, operator)
    made = helper.make_graph(
        graph.nodes,
        "operator",
        [helper.make_tensor_value_info("x", kind, shape)],
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

    def quantized(
        self, parts: _Parts, operator: OperatorShape, *, embedded: bool
    ) -> tuple[int, ...]:
        """Add the nodes; returns the input's shape."""
        kind: Any = np.uint8 if embedded else np.int8
        shape, source, stored = parts.shape, "x", "y"
        turned = embedded and len(shape) == len(_LAST)
        if turned:
            stored = "stored"
            shape = tuple(parts.shape[axis] for axis in _LAST)
            source = self._node("Transpose", ["x"], "planes", perm=_FIRST)
        given = self._dequantized(source, INPUT_SCALE, kind)
        names = self._operands(parts, operator)
        # Values that are only moved keep their scale.
        scale = INPUT_SCALE if operator.kind in _MOVING else OUTPUT_SCALE
        self._operator(parts, operator, [given, *names], "made")
        ends = self._scale(np.float32(scale), kind)
        self._node("QuantizeLinear", ["made", *ends], stored)
        if turned:
            self._node("Transpose", [stored], "y", perm=_LAST)
        return shape

    def _operands(self, parts: _Parts, operator: OperatorShape) -> list[str]:
        """Weight and bias, dequantized; indices as they are."""
        if operator.kind in _MOVING or not parts.constants:
            return [self._constant(value) for value in parts.constants]
        weight, _ = parts.constants
        stored, scales = quantized(weight)
        steps = np.zeros(operator.outputs, np.int32)
        return [
            self._dequantized(self._constant(stored), scales),
            self._dequantized(self._constant(steps), INPUT_SCALE * scales, np.int32),
        ]

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
        middle = 128 if kind is np.uint8 else 0
        points = np.full(scales.shape, middle, kind)
        return [self._constant(scales), self._constant(points)]

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
    if operator.kind == "slice":
        ends = ((0, 0), operator.size, (2, 3), operator.stride)
        return _Parts("Slice", image, tuple(np.array(row) for row in ends), {})
    if operator.kind == "pad":
        wider = operator.outputs - operator.inputs
        pads = np.array([0, 0, *operator.padding, 0, wider, *operator.padding])
        return _Parts("Pad", image, (pads,), {})
    return _Parts("Add", image, (), {})
