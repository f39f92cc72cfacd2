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
    """One operator as a model of its own, or some that follow each other."""

    name: str
    kind: str
    path: Path
    numbers: tuple[int, ...]
    """Of its operators, in the order of execution."""


def split(model: Path, folder: Path, joined: Sequence[str] = ()) -> list[Part]:
    """One file in `folder` for each operator of `model`, in the order of execution.

    Operators of the kinds `joined` are in the file of the only operator that reads them, which
    names it. Raises `ArtifactError` where the file is not a TFLite model or has several subgraphs.
    """
    schema = _schema()
    content = read_bytes(model, ArtifactError)
    if content[4:8] != b"TFL3":
        raise ArtifactError(
            f"{model} is not a TFLite model: it can only be profiled whole."
        )
    with reading(model, ArtifactError, kind="a TFLite model"):
        whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        return _parts(schema, model, whole, folder, joined)


def _parts(
    schema: Any, model: Path, whole: Any, folder: Path, joined: Sequence[str]
) -> list[Part]:
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
    kinds = []
    for operator in graph.operators:
        code = whole.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        kinds.append(names.get(number, "CUSTOM"))
    parts = []
    for numbers in _grouped(graph, kinds, joined):
        last = numbers[-1]
        path = folder / f"{last:04}-{kinds[last]}.tflite"
        operators = [graph.operators[number] for number in numbers]
        path.write_bytes(_alone(schema, whole, graph, operators))
        name = _text(graph.tensors[operators[-1].outputs[0]].name)
        parts.append(Part(name=name, kind=kinds[last], path=path, numbers=numbers))
    return parts


def _grouped(
    graph: Any, kinds: Sequence[str], joined: Sequence[str]
) -> list[tuple[int, ...]]:
    """Numbers of the operators of each part, by its last one."""
    readers: dict[int, set[int]] = {int(n): {-1} for n in graph.outputs}
    for number, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            readers.setdefault(int(tensor), set()).add(number)
    groups: dict[int, tuple[int, ...]] = {}
    before: dict[int, tuple[int, ...]] = {}
    for number, operator in enumerate(graph.operators):
        group = (*before.pop(number, ()), number)
        read = readers.get(int(operator.outputs[0]), set())
        if kinds[number] in joined and len(read) == 1 and read != {-1}:
            [reader] = read
            before[reader] = (*before.get(reader, ()), *group)
        else:
            groups[number] = group
    return list(groups.values())


def _alone(schema: Any, whole: Any, graph: Any, operators: Sequence[Any]) -> bytes:
    """The operators, their tensors and their constants, serialized."""
    import flatbuffers

    used = [t for one in operators for t in (*one.inputs, *one.outputs) if t >= 0]
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
    steps = []
    for number, operator in enumerate(operators):
        step = schema.OperatorT()
        vars(step).update(vars(operator))
        step.opcodeIndex = number
        step.inputs = _renumbered(operator.inputs, numbers)
        step.outputs = _renumbered(operator.outputs, numbers)
        steps.append(step)
    made = {n for step in steps for n in step.outputs}
    read = dict.fromkeys(n for step in steps for n in step.inputs if n >= 0)
    part = schema.SubGraphT()
    part.tensors, part.operators = tensors, steps
    part.inputs = [n for n in read if n not in made and not tensors[n].buffer]
    part.outputs = steps[-1].outputs
    model = schema.ModelT()
    model.version, model.description = 3, "one operator"
    model.operatorCodes = [whole.operatorCodes[one.opcodeIndex] for one in operators]
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
