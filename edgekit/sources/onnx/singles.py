"""The same model in single precision: quantized and half-precision files as networks that train.

Quantized values become the real ones that they stand for. A quantization whose range begins at
zero also cuts off what is below, as the activation that was merged into it: it becomes a Relu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.sources.onnx.graph import array
from edgekit.sources.onnx.operators.quantization import real

_WIDE = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_POSITIVE = ("Relu", "Sigmoid", "Softmax", "HardSigmoid", "Clip")
_LEAST = {np.dtype(np.uint8): 0, np.dtype(np.int8): -128, np.dtype(np.uint16): 0}


def singled(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model in single precision, and what it was: `int8`, `fp16` or nothing.

    Raises `ModelError` for a quantized operator that has no counterpart here.
    """
    kinds = {node.op_type for node in model.graph.node}
    quantized = bool(kinds & (_REAL.keys() | {"QuantizeLinear"}))
    halves = any(_is_wide(value) for value in _typed(model.graph))
    if not quantized and not halves:
        return model, ""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    if quantized:
        _Real(graph=made.graph).run()
    _widen(made.graph)
    return made, "int8" if quantized else "fp16"


def _typed(graph: onnx.GraphProto) -> Iterator[int]:
    yield from (tensor.data_type for tensor in graph.initializer)
    for value in (*graph.input, *graph.output):
        yield value.type.tensor_type.elem_type
    for node in graph.node:
        yield from (a.t.data_type for a in node.attribute if a.HasField("t"))


def _is_wide(kind: int) -> bool:
    return kind in _WIDE


def _widen(graph: onnx.GraphProto) -> None:
    """Halves and doubles as singles, in place."""
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if _is_wide(value.type.tensor_type.elem_type):
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen_tensor(attribute.t)
            if attribute.HasField("g"):
                _widen(attribute.g)
            cast = node.op_type == "Cast" and attribute.name == "to"
            if cast and _is_wide(attribute.i):
                attribute.i = TensorProto.FLOAT


def _widen_tensor(tensor: onnx.TensorProto) -> None:
    if _is_wide(tensor.data_type):
        name, value = tensor.name, array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(value, name))


@dataclass(kw_only=True, eq=False)
class _Real:
    """Rewrites a graph in place, node by node."""

    graph: onnx.GraphProto
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    makers: dict[str, str] = field(default_factory=dict)
    """The operator that gives each tensor of the new graph."""
    floats: set[str] = field(default_factory=set)
    """Tensors that were quantized and hold real numbers now."""

    def __post_init__(self) -> None:
        self.arrays = {tensor.name: array(tensor) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.arrays[node.output[0]] = array(node.attribute[0].t)

    def run(self) -> None:
        for node in list(self.graph.node):
            rewrite = _REAL.get(node.op_type)
            if rewrite is not None:
                rewrite(self, node)
            elif node.op_type.startswith("QLinear") or node.op_type == "QGemm":
                raise ModelError(
                    f"The quantized ONNX operator {node.op_type} '{node.name}' is not "
                    "supported. Convert the float file instead."
                )
            else:
                if any(name in self.floats for name in node.input):
                    self.floats.update(node.output)
                self.add(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        del self.graph.value_info[:]
        for value in self.graph.output:
            if value.name in self.floats:
                value.type.tensor_type.elem_type = TensorProto.FLOAT

    def add(self, node: onnx.NodeProto) -> None:
        self.nodes.append(node)
        self.makers.update(dict.fromkeys(node.output, node.op_type))

    def made(
        self, kind: str, inputs: list[str], output: str, **attributes: object
    ) -> None:
        self.add(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def constant(self, name: str, value: np.ndarray) -> str:
        if name not in self.arrays:
            self.graph.initializer.append(numpy_helper.from_array(value, name))
            self.arrays[name] = value
        return name

    def known(self, name: str) -> np.ndarray | None:
        return self.array(name) if name else None

    def array(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise ModelError(f"The quantized file computes the scale '{name}'.")
        return self.arrays[name]

    def real(self, name: str, scale: str, zero: str, axis: int = 1) -> str:
        """The name of the real numbers that a quantized tensor stands for."""
        if name not in self.arrays:
            if name not in self.floats:
                kept = [n for n in (name, scale, zero) if n]
                self.made("DequantizeLinear", kept, f"{name}_real", axis=axis)
                return f"{name}_real"
            return name
        value = real(self.arrays[name], self.array(scale), self.known(zero), axis)
        return self.constant(f"{name.removesuffix('_quantized')}_real", value)

    def quantized(self, source: str, zero: str, output: str) -> None:
        """A quantization: nothing, or a Relu where its range begins at zero."""
        value = self.known(zero)
        low = value is None or bool(
            np.all(value == _LEAST.get(value.dtype, np.iinfo(np.int64).min))
        )
        cuts = low and self.makers.get(source) not in _POSITIVE
        self.made("Relu" if cuts else "Identity", [source], output)
        self.floats.add(output)


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _inputs(node: onnx.NodeProto, count: int) -> list[str]:
    return [*node.input, *[""] * (count - len(node.input))]


def _quantize(graph: _Real, node: onnx.NodeProto) -> None:
    source, _, zero = _inputs(node, 3)[:3]
    if source in graph.arrays:
        graph.add(node)
        return
    graph.quantized(source, zero, node.output[0])


def _dequantize(graph: _Real, node: onnx.NodeProto) -> None:
    if node.input[0] in graph.floats:
        graph.made("Identity", [node.input[0]], node.output[0])
        graph.floats.discard(node.output[0])
    else:
        graph.add(node)


def _convolve(graph: _Real, node: onnx.NodeProto) -> None:
    x, xs, xz, w, ws, wz, _, yz, b = _inputs(node, 9)
    inputs = [graph.real(x, xs, xz), graph.real(w, ws, wz, axis=0)]
    if b:
        inputs.append(_bias(graph, b, xs, ws))
    name = f"{node.output[0]}_sum"
    graph.made("Conv", inputs, name, **_attributes(node))
    graph.quantized(name, yz, node.output[0])


def _bias(graph: _Real, name: str, *scales: str) -> str:
    """A bias in steps of the product of two scales."""
    total = graph.array(name).astype(np.float64)
    for scale in scales:
        total = total * graph.array(scale).astype(np.float64)
    return graph.constant(f"{name}_real", total.astype(np.float32))


def _matmul(graph: _Real, node: onnx.NodeProto) -> None:
    a, as_, az, b, bs, bz, _, yz = _inputs(node, 8)
    name = f"{node.output[0]}_sum"
    graph.made("MatMul", [graph.real(a, as_, az), graph.real(b, bs, bz)], name)
    graph.quantized(name, yz, node.output[0])


def _gemm(graph: _Real, node: onnx.NodeProto) -> None:
    a, as_, az, b, bs, bz, c, _, yz = _inputs(node, 9)
    said = _attributes(node)
    axis = 0 if said.get("transB") else 1
    inputs = [graph.real(a, as_, az), graph.real(b, bs, bz, axis=axis)]
    if c:
        inputs.append(_bias(graph, c, as_, bs))
    name = f"{node.output[0]}_sum"
    graph.made("Gemm", inputs, name, **said)
    graph.quantized(name, yz, node.output[0])


def _pair(kind: str) -> Callable[[_Real, onnx.NodeProto], None]:
    def rewrite(graph: _Real, node: onnx.NodeProto) -> None:
        a, as_, az, b, bs, bz, _, yz = _inputs(node, 8)
        name = f"{node.output[0]}_sum"
        graph.made(kind, [graph.real(a, as_, az), graph.real(b, bs, bz)], name)
        graph.quantized(name, yz, node.output[0])

    return rewrite


def _single(kind: str) -> Callable[[_Real, onnx.NodeProto], None]:
    def rewrite(graph: _Real, node: onnx.NodeProto) -> None:
        x, xs, xz, _, yz = _inputs(node, 5)
        said = _attributes(node)
        if said.pop("channels_last", 0):
            raise ModelError(
                f"The quantized {kind} '{node.name}' has its channels last."
            )
        said.pop("opset", None)
        name = f"{node.output[0]}_real"
        graph.made(kind, [graph.real(x, xs, xz)], name, **said)
        graph.quantized(name, yz, node.output[0])

    return rewrite


def _concat(graph: _Real, node: onnx.NodeProto) -> None:
    _, yz, *parts = node.input
    triples = [parts[n : n + 3] for n in range(0, len(parts), 3)]
    name = f"{node.output[0]}_joined"
    inputs = [graph.real(*triple) for triple in triples]
    graph.made("Concat", inputs, name, **_attributes(node))
    graph.quantized(name, yz, node.output[0])


def _dynamic(graph: _Real, node: onnx.NodeProto) -> None:
    """Quantized by its own range each time: the numbers themselves, in steps of one."""
    graph.made("Identity", [node.input[0]], node.output[0])
    graph.floats.add(node.output[0])
    graph.constant(node.output[1], np.array(1, np.float32))
    graph.constant(node.output[2], np.array(0, np.uint8))


def _integer(kind: str) -> Callable[[_Real, onnx.NodeProto], None]:
    def rewrite(graph: _Real, node: onnx.NodeProto) -> None:
        x, w, _, wz = _inputs(node, 4)[:4]
        if x not in graph.floats or w not in graph.arrays:
            raise ModelError(
                f"The quantized ONNX operator {node.op_type} '{node.name}' takes whole numbers "
                "that are not quantized in the file."
            )
        one = graph.constant("edgekit_one", np.array(1, np.float32))
        axis = 0 if kind == "Conv" else 1
        weight = graph.real(w, one, wz, axis=axis)
        graph.made(kind, [x, weight], node.output[0], **_attributes(node))
        graph.floats.add(node.output[0])

    return rewrite


def _dynamic_matmul(graph: _Real, node: onnx.NodeProto) -> None:
    if node.op_type == "MatMulIntegerToFloat":
        x, w, _, ws, _, wz, b = _inputs(node, 7)
    else:
        x, w, ws, wz, b = _inputs(node, 5)
    weight = graph.real(w, ws, wz)
    name = f"{node.output[0]}_product" if b else node.output[0]
    graph.made("MatMul", [x, weight], name)
    if b:
        graph.made("Add", [name, b], node.output[0])


def _dynamic_lstm(graph: _Real, node: onnx.NodeProto) -> None:
    """The weights of ONNX Runtime's operator are (directions, inputs, 4 * units)."""
    names = [*node.input, *[""] * (12 - len(node.input))]
    weights = []
    for place, scale in ((1, 8), (2, 10)):
        steps, zero = graph.array(names[scale]), graph.known(names[scale + 1])
        if steps.ndim:
            steps = steps.reshape(len(steps), 1, -1)
            zero = None if zero is None else zero.reshape(len(zero), 1, -1)
        value = graph.array(names[place]).astype(np.float32)
        turned = (value - (0 if zero is None else zero.astype(np.float32))) * steps
        name = f"{names[place].removesuffix('_quantized')}_real"
        weights.append(graph.constant(name, turned.transpose(0, 2, 1).copy()))
    made = helper.make_node(
        "LSTM", [names[0], *weights, *names[3:8]], list(node.output), name=node.name
    )
    made.attribute.extend(node.attribute)
    graph.add(made)


_REAL: dict[str, Callable[[_Real, onnx.NodeProto], None]] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "QLinearConv": _convolve,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": _pair("Add"),
    "QLinearMul": _pair("Mul"),
    "QLinearSigmoid": _single("Sigmoid"),
    "QLinearLeakyRelu": _single("LeakyRelu"),
    "QLinearSoftmax": _single("Softmax"),
    "QLinearAveragePool": _single("AveragePool"),
    "QLinearGlobalAveragePool": _single("GlobalAveragePool"),
    "QLinearConcat": _concat,
    "DynamicQuantizeLinear": _dynamic,
    "MatMulInteger": _integer("MatMul"),
    "ConvInteger": _integer("Conv"),
    "DynamicQuantizeLSTM": _dynamic_lstm,
    "DynamicQuantizeMatMul": _dynamic_matmul,
    "MatMulIntegerToFloat": _dynamic_matmul,
}
