"""An ONNX file taken apart, and its copy that gives every tensor.

Quantized tensors are shown as the integers behind `QuantizeLinear`: a float tensor shown before
it would keep the runtime from fusing its int8 kernels, and other ones would be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.types import Precision, TensorSpec
from edgekit.types.diff import ModelGraph, Step

_FLOATS = {1: "float32", 10: "float16", 11: "float64"}
_SHAPE_OPERATORS = ("Shape", "Size")


PACKAGE = "onnx"
"""Command that installs the library that reads the format."""


def instrument(path: Path, copy: Path) -> ModelGraph:
    """The operators of `path`; `copy` becomes a file that gives their outputs by `probe`."""
    import onnx

    model = onnx.load(str(path))
    graph = onnx.shape_inference.infer_shapes(model).graph
    constants = {value.name: value for value in graph.initializer}
    kinds = {
        value.name: value.type.tensor_type
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    ends = [value.name for value in graph.output]
    consumers = _consumers(graph)
    at: dict[str, int] = {}
    reached = {value.name for value in graph.input} - constants.keys()
    steps: list[Step] = []
    probes: list[str] = []
    for node in graph.node:
        if not reached & set(node.input) or node.op_type in _SHAPE_OPERATORS:
            continue
        sources = tuple(dict.fromkeys(at[name] for name in node.input if name in at))
        for name in filter(None, node.output):
            reached.add(name)
            at[name] = len(steps)
            shown, scale, zero = name, None, 0
            given = _integers_behind(node, name, consumers, constants, name in ends)
            if given is not None:
                shown, scale, zero = given
            kind = kinds.get(name)
            real = kind is not None and kind.elem_type in _FLOATS
            if scale is None and not real:
                shown = ""
            if shown and shown not in (*ends, *probes):
                probes.append(shown)
            steps.append(
                Step(
                    name=node.name or name,
                    kind=node.op_type,
                    tensor=name,
                    sources=sources,
                    shape=_shape(kind),
                    probe=shown or None,
                    scale=scale,
                    zero_point=zero,
                )
            )
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in probes)
    onnx.save_model(model, str(copy))
    real_inputs = [value for value in graph.input if value.name not in constants]
    return ModelGraph(
        precision=_precision(graph),
        inputs=tuple(map(_spec, real_inputs)),
        outputs=tuple(map(_spec, graph.output)),
        steps=tuple(steps),
        ends=tuple(at.get(name) for name in ends),
    )


def _consumers(graph: Any) -> dict[str, list[Any]]:
    consumers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    return consumers


def _integers_behind(
    node: Any,
    name: str,
    consumers: dict[str, list[Any]],
    constants: dict[str, Any],
    is_end: bool,
) -> tuple[str, float, int] | None:
    """The integer tensor that stands for output `name`, its scale and zero point."""
    if is_end:
        return None
    those = consumers.get(name, [])
    if node.op_type == "QuantizeLinear":
        at, shown = node, name
    elif node.op_type == "DequantizeLinear":
        at, shown = node, node.input[0]
    elif [reader.op_type for reader in those] == ["QuantizeLinear"]:
        at, shown = those[0], those[0].output[0]
    else:
        return None
    found = _quantization(at, constants)
    return None if found is None else (shown, *found)


def _quantization(node: Any, constants: dict[str, Any]) -> tuple[float, int] | None:
    """Scale and zero point of a `QuantizeLinear`, where it has one of each."""
    from onnx import numpy_helper

    found = [constants.get(name) for name in node.input[1:3]]
    if not found or found[0] is None:
        return None
    values = [
        np.asarray(numpy_helper.to_array(one)).reshape(-1) for one in found if one
    ]
    if any(len(value) != 1 for value in values):
        return None
    return float(values[0][0]), int(values[1][0]) if len(values) > 1 else 0


def _precision(graph: Any) -> Precision:
    if any(n.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
                         "QLinearConv", "QLinearMatMul") for n in graph.node):  # fmt: skip
        return "int8"
    halves = any(one.data_type == 10 for one in graph.initializer)
    return "fp16" if halves else "fp32"


def _shape(kind: Any) -> tuple[int, ...]:
    if kind is None:
        return ()
    return tuple(size.dim_value or 1 for size in kind.shape.dim)


def _spec(value: Any) -> TensorSpec:
    kind = value.type.tensor_type
    names = {**_FLOATS, 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool"}
    return TensorSpec(
        name=value.name,
        shape=_shape(kind),
        dtype=names.get(kind.elem_type, str(kind.elem_type)),
    )
