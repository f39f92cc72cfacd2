"""A TFLite file taken apart, and its copy that gives every tensor.

The copy names each operator's output as one of the graph's own, so that the interpreter keeps
them and its delegate still runs what it takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.runtimes.litert.flatbuffer import unpacked
from edgekit.types import Precision, Quantization, TensorSpec
from edgekit.types.diff import ModelGraph, Step

_SHAPE_OPERATORS = ("SHAPE", "RANK")


PACKAGE = "ai-edge-litert"
"""Command that installs the library that reads the format."""


def instrument(path: Path, copy: Path) -> ModelGraph:
    """The operators of `path`; `copy` becomes a file that gives their outputs by number."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ArtifactError(f"{path} is not a TFLite model.")
    model = unpacked(content)
    graph = model.subgraphs[0]
    operators = _names(schema.BuiltinOperator)
    types = {n: s.lower() for n, s in _names(schema.TensorType).items()}
    outputs = [int(number) for number in graph.outputs]
    reached = {int(number) for number in graph.inputs}
    at: dict[int, int] = {}
    steps: list[Step] = []
    probes = list(outputs)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = operators.get(
            max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM"
        )
        read = [int(number) for number in operator.inputs]
        if not reached & set(read) or kind in _SHAPE_OPERATORS:
            continue
        sources = tuple(dict.fromkeys(at[number] for number in read if number in at))
        for number in map(int, operator.outputs):
            tensor = graph.tensors[number]
            spec = _spec(tensor, types)
            reached.add(number)
            at[number] = len(steps)
            real = spec.dtype.startswith("float") or spec.quantization is not None
            if real and number not in probes:
                probes.append(number)
            given = spec.quantization
            steps.append(
                Step(
                    name=spec.name,
                    kind=kind,
                    tensor=spec.name,
                    sources=sources,
                    shape=spec.shape,
                    probe=str(probes.index(number)) if real else None,
                    scale=None if given is None else given.scale,
                    zero_point=0 if given is None else given.zero_point,
                )
            )
    graph.outputs = probes
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    copy.write_bytes(bytes(builder.Output()))
    tensors = graph.tensors
    return ModelGraph(
        precision=_precision(tensors, types),
        inputs=tuple(_spec(tensors[n], types) for n in graph.inputs),
        outputs=tuple(_spec(tensors[n], types) for n in outputs),
        steps=tuple(steps),
        ends=tuple(at.get(number) for number in outputs),
        by_place=True,
    )


def _names(constants: type) -> dict[int, str]:
    return {n: name for name, n in vars(constants).items() if isinstance(n, int)}


def _precision(tensors: Any, types: dict[int, str]) -> Precision:
    found = {types[tensor.type] for tensor in tensors}
    if "int8" in found:
        return "int8"
    return "fp16" if "float16" in found else "fp32"


def _spec(tensor: Any, types: dict[int, str]) -> TensorSpec:
    name = tensor.name
    return TensorSpec(
        name=name.decode(errors="replace") if isinstance(name, bytes) else name,
        shape=tuple(int(n) for n in (() if tensor.shape is None else tensor.shape)),
        dtype=types[tensor.type],
        quantization=_quantization(tensor.quantization),
    )


def _quantization(given: Any) -> Quantization | None:
    if given is None or given.scale is None or len(given.scale) != 1:
        return None
    zero = 0 if given.zeroPoint is None else int(np.asarray(given.zeroPoint)[0])
    return Quantization(scale=float(given.scale[0]), zero_point=zero)
