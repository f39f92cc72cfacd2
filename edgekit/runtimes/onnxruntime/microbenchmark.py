"""One-operator ONNX models: what ONNX Runtime and OpenVINO are timed on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from edgekit.runtimes.onnxruntime import operator_chains as chains
from edgekit.runtimes.onnxruntime.operator_graph import OperatorGraph
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

    graph, kind, quantize = _Graph(), TensorProto.FLOAT, precision == "int8"
    made_in = kind
    if quantize:
        kind = made_in = TensorProto.UINT8 if embedded else TensorProto.INT8
    if operator.kind in chains.KINDS:
        kind = kind if embedded else TensorProto.FLOAT
        shape = chains.add(graph, operator, quantize=quantize, embedded=embedded)
    elif quantize:
        shape = graph.quantized(_parts(operator), operator, embedded=embedded)
    else:
        shape = graph.float(_parts(operator), operator)
    made = helper.make_graph(
        graph.nodes,
        "operator",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", made_in, None)],
        graph.constants,
    )
    written = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    return bytes(written.SerializeToString())


class _Graph(OperatorGraph):
    """With single operators by their shapes."""

    def float(self, parts: _Parts, operator: OperatorShape) -> tuple[int, ...]:
        """Add the nodes; returns the input's shape."""
        names = [self.constant(value) for value in parts.constants]
        self._operator(parts, operator, ["x", *names], "y")
        return parts.shape

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
            source = self.node("Transpose", ["x"], "planes", perm=_FIRST)
        given = self.dequantized(source, INPUT_SCALE, kind)
        names = self._operands(parts, operator)
        # Values that are only moved keep their scale.
        scale = INPUT_SCALE if operator.kind in _MOVING else OUTPUT_SCALE
        self._operator(parts, operator, [given, *names], "made")
        # ONNX Runtime computes in integers what a ReLU follows if it clips nothing more.
        clips = embedded and operator.relu
        ends = self.scale(np.float32(scale), kind, positive=clips)
        self.node("QuantizeLinear", ["made", *ends], stored)
        if turned:
            self.node("Transpose", [stored], "y", perm=_LAST)
        return shape

    def _operands(self, parts: _Parts, operator: OperatorShape) -> list[str]:
        """Weight and bias, dequantized; indices as they are."""
        if operator.kind in _MOVING or not parts.constants:
            return [self.constant(value) for value in parts.constants]
        weight, _ = parts.constants
        stored, scales = quantized(weight)
        steps = np.zeros(operator.outputs, np.int32)
        return [
            self.dequantized(self.constant(stored), scales),
            self.dequantized(self.constant(steps), INPUT_SCALE * scales, np.int32),
        ]

    def _operator(
        self, parts: _Parts, operator: OperatorShape, inputs: list[str], output: str
    ) -> None:
        if operator.kind == "elementwise":
            inputs = [inputs[0], inputs[0]]
        if not operator.relu:
            self.node(parts.kind, inputs, output, **parts.attributes)
            return
        self.node(parts.kind, inputs, "linear", **parts.attributes)
        self.node("Relu", ["linear"], output)


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
