"""A network's operators in float and in int8, each as a file of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.runtimes.litert import flatbuffer, operator_split
from edgekit.runtimes.litert.quantizer import WEIGHTED
from edgekit.runtimes.mixed_precision import Conversions, Material, Step, Tensor

SLOW_EVERYWHERE = True
"""True where some operators are slower in int8 by kernels that are the same on every machine:
`guess` names them, and a plain file of int8 leaves them in float."""
_CONVERTING = ("QUANTIZE", "DEQUANTIZE")
_FUSED = ("PAD",)
"""Padding in float is part of the convolution behind it, and costs nothing there."""
_INT8_US, _FLOAT_US, _CONVERSION_US = 5e-5, 1e-4, 4e-5
"""A value that an operator without weights writes by XNNPACK, and that a conversion does: of an
x86 processor, to a figure."""
_FLOAT_LAYER_US, _OFF_PATH_US = 1e-3, 4e-3
"""A layer's value in float, as slow as keeps it in int8; and one of the interpreter's kernels."""
_SIZES = (256, 65536)
"""Values of the files that convert."""


def material(fp32: Path, int8: Path, folder: Path) -> Material | None:
    """The operators of `fp32` beside those of its static form `int8`, as files in `folder`.

    `None` where the two are not the same operators in one order, or have loops.
    """
    whole = flatbuffer.unpacked(fp32.read_bytes())
    if len(whole.subgraphs) != 1:
        return None
    [graph] = whole.subgraphs
    plain, small = _split(fp32, folder / "float"), _split(int8, folder / "int8")
    if [one.kind for one in plain] != [one.kind for one in small]:
        return None
    sizes = _floats(graph)
    steps = []
    for one, other in zip(plain, small, strict=True):
        operators = [graph.operators[number] for number in one.numbers]
        inner = {int(n) for each in operators[:-1] for n in each.outputs}
        takes = {int(n) for each in operators for n in each.inputs}
        steps.append(
            Step(
                names=tuple(_name(graph, each) for each in operators),
                kind=one.kind,
                takes=tuple(sorted((takes - inner) & sizes.keys())),
                gives=tuple(int(n) for n in operators[-1].outputs),
                in_float=one.path,
                in_int8=None if _gives_float(other.path) else other.path,
            )
        )
    return Material(
        steps=tuple(steps),
        sizes=sizes,
        ends=frozenset(int(n) for n in (*graph.inputs, *graph.outputs)),
        conversions=_conversions(folder),
    )


def guess(material: Material) -> dict[Path, float] | None:
    """Times of `material.files()` without timing any, by XNNPACK's kernels: the same on every
    machine. `None` where it takes every operator."""
    times = {}
    off_path = False
    for step in material.steps:
        values = sum(material.sizes.get(tensor, 0) for tensor in step.gives)
        weighted = step.kind in WEIGHTED
        times[step.in_float] = (_FLOAT_LAYER_US if weighted else _FLOAT_US) * values
        if step.in_int8 is not None:
            slow = not delegated(step.in_int8) and delegated(step.in_float)
            times[step.in_int8] = (_OFF_PATH_US if slow else _INT8_US) * values
            off_path |= slow
    for files in (material.conversions.to_int8, material.conversions.to_float):
        times |= {path: _CONVERSION_US * size for size, path in files.items()}
    return times if off_path else None


def _name(graph: Any, operator: Any) -> str:
    name = graph.tensors[operator.outputs[0]].name
    return name.decode() if isinstance(name, bytes) else str(name)


def delegated(path: Path) -> bool:
    """Return whether the runtime's accelerated kernels take an operator's file; true where it
    does not load alone, so that nothing is known against it."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError):
        return True
    return any(each["op_name"] == "DELEGATE" for each in interpreter._get_ops_details())


def _split(model: Path, folder: Path) -> list[operator_split.Part]:
    """The operators but for conversions; those that cost the same have one file."""
    folder.mkdir()
    known: dict[Any, Path] = {}
    found = []
    for part in operator_split.split(model, folder, joined=_FUSED):
        if part.kind not in _CONVERTING:
            path = known.setdefault(_alike(part.path), part.path)
            found.append(replace(part, path=path))
    return found


def _alike(path: Path) -> tuple[Any, ...]:
    """Equal for operators of one kind, of equal shapes and options."""
    whole = flatbuffer.unpacked(path.read_bytes())
    [graph] = whole.subgraphs
    tensors = [(t.type, bool(t.buffer), tuple(t.shape)) for t in graph.tensors]
    codes = [(c.builtinCode, c.deprecatedBuiltinCode) for c in whole.operatorCodes]
    options = [
        sorted(vars(each.builtinOptions).items()) if each.builtinOptions else []
        for each in graph.operators
    ]
    return tuple(tensors), tuple(codes), str(options)


def _floats(graph: Any) -> Mapping[Tensor, int]:
    """Number of values of each tensor in float that is not a constant."""
    kind = flatbuffer.schema().TensorType.FLOAT32
    made = {int(n) for operator in graph.operators for n in operator.outputs}
    return {
        number: math.prod(int(size) for size in graph.tensors[number].shape)
        for number in sorted({*made, *map(int, graph.inputs)})
        if graph.tensors[number].type == kind
    }


def _gives_float(path: Path) -> bool:
    graph = flatbuffer.unpacked(path.read_bytes()).subgraphs[0]
    kind = flatbuffer.schema().TensorType.FLOAT32
    return any(graph.tensors[int(n)].type == kind for n in graph.outputs)


def _conversions(folder: Path) -> Conversions:
    files: dict[bool, dict[int, Path]] = {True: {}, False: {}}
    for to_int8, found in files.items():
        for size in _SIZES:
            found[size] = folder / f"{'to' if to_int8 else 'from'}-int8-{size}.tflite"
            found[size].write_bytes(_conversion(size, to_int8=to_int8))
    return Conversions(to_int8=files[True], to_float=files[False])


def _conversion(size: int, *, to_int8: bool) -> bytes:
    """A file that converts as many values."""
    schema = flatbuffer.schema()
    model, graph, step = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    code, kinds = schema.OperatorCodeT(), schema.BuiltinOperator
    code.builtinCode = kinds.QUANTIZE if to_int8 else kinds.DEQUANTIZE
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 2
    graph.tensors = [_tensor(size, to_int8 == bool(end)) for end in (0, 1)]
    step.opcodeIndex, step.inputs, step.outputs = 0, [0], [1]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [step]
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [graph]
    return flatbuffer.packed(model, 1024)


def _tensor(size: int, quantized: bool) -> Any:
    schema = flatbuffer.schema()
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = f"t{quantized}", [1, size], 0
    tensor.type = schema.TensorType.FLOAT32
    if quantized:
        tensor.type = schema.TensorType.INT8
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([0.05], np.float32)
        tensor.quantization.zeroPoint = np.array([0], np.int64)
    return tensor
