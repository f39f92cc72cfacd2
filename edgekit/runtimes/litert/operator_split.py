"""A `.tflite` file as one file for each of its operators, to time each alone.

LiteRT's Python interpreter has no profiler; its own operators, cut out with their constants, run
on every device that runs the whole file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError, RuntimeMissing
from edgekit.safe_io import read_bytes, reading


@dataclass(frozen=True, kw_only=True)
class Part:
    """One operator as a model of its own."""

    name: str
    kind: str
    path: Path


def split(model: Path, folder: Path) -> list[Part]:
    """One file in `folder` for each operator of `model`, in the order of execution.

    Raises `ArtifactError` where the file is not a TFLite model or has several subgraphs.
    """
    schema = _schema()
    content = read_bytes(model, ArtifactError)
    if content[4:8] != b"TFL3":
        raise ArtifactError(
            f"{model} is not a TFLite model: it can only be profiled whole."
        )
    with reading(model, ArtifactError, kind="a TFLite model"):
        whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        return _parts(schema, model, whole, folder)


def _parts(schema: Any, model: Path, whole: Any, folder: Path) -> list[Part]:
    if len(whole.subgraphs) != 1:
        raise ArtifactError(
            f"{model} has {len(whole.subgraphs)} subgraphs; only one can be profiled."
        )
    [graph] = whole.subgraphs
    names = {
        number: name
        for name, number in vars(schema.BuiltinOperator).items()
        if isinstance(number, int)
    }
    parts = []
    for number, operator in enumerate(graph.operators):
        code = whole.operatorCodes[operator.opcodeIndex]
        kind = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        path = folder / f"{number:04}-{kind}.tflite"
        path.write_bytes(_alone(schema, whole, graph, operator))
        output = graph.tensors[operator.outputs[0]].name
        parts.append(Part(name=_text(output), kind=kind, path=path))
    return parts


def _alone(schema: Any, whole: Any, graph: Any, operator: Any) -> bytes:
    """The operator, its tensors and its constants, serialized."""
    import flatbuffers

    used = [t for t in (*operator.inputs, *operator.outputs) if t >= 0]
    numbers = {old: new for new, old in enumerate(dict.fromkeys(used))}
    buffers = [schema.BufferT()]
    tensors = []
    for old in numbers:
        tensor = graph.tensors[old]
        data = whole.buffers[tensor.buffer].data
        copy = schema.TensorT()
        vars(copy).update(vars(tensor))
        copy.buffer = 0
        if data is not None and len(data):
            copy.buffer = len(buffers)
            buffers.append(whole.buffers[tensor.buffer])
        tensors.append(copy)
    step = schema.OperatorT()
    vars(step).update(vars(operator))
    step.opcodeIndex = 0
    step.inputs = _renumbered(operator.inputs, numbers)
    step.outputs = _renumbered(operator.outputs, numbers)
    part = schema.SubGraphT()
    part.tensors, part.operators = tensors, [step]
    part.inputs = [n for n in step.inputs if n >= 0 and not tensors[n].buffer]
    part.outputs = step.outputs
    model = schema.ModelT()
    model.version, model.description = 3, "one operator"
    model.operatorCodes = [whole.operatorCodes[operator.opcodeIndex]]
    model.subgraphs, model.buffers = [part], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _renumbered(tensors: Sequence[int], numbers: dict[int, int]) -> list[int]:
    return [numbers[t] if t >= 0 else -1 for t in tensors]


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise RuntimeMissing(
            "Profiling a .tflite needs ai-edge-litert here: pip install 'edgekit[litert]'."
        ) from error
    return schema_py_generated
