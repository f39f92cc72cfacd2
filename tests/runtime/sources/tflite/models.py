"""TFLite files: one that a converter wrote, and ones of a single operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgekit.sources.tflite import file, load

DATA = Path(__file__).parents[3] / "unit" / "sources" / "tflite" / "data"


def given() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and outputs of the author's own module."""
    with np.load(DATA / "net.npz") as arrays:
        return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])


@dataclass(frozen=True, kw_only=True)
class Single:
    """One operator on `x` of a shape, with constants after it, or before it where they are."""

    kind: str
    shape: tuple[int, ...] = (1, 6, 5, 4)
    constants: Sequence[Any] = ()
    before: bool = False
    twice: bool = False
    """True where it takes `x` two times."""
    options: tuple[str, dict[str, Any]] | None = None
    outputs: int = 1
    rank: int = 4
    made: tuple[int, ...] | None = None
    """Of the output, where LiteRT does not find the shape itself."""
    dtype: Any = field(default=np.float32)
    """Of the outputs."""


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(path: Path, single: Single) -> None:
    """The reader and LiteRT give the same for one operator; images are channels first here."""
    _save(path, single)
    x = drawn(*single.shape)
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    details = interpreter.get_output_details()
    given = torch.from_numpy(np.moveaxis(x, -1, 1).copy() if x.ndim > 3 else x)
    with torch.no_grad():
        found = load.network(file.read(path))(given)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(details)
    for ours, each in zip(found, details, strict=True):
        theirs = interpreter.get_tensor(each["index"])
        theirs = np.moveaxis(theirs, -1, 1) if theirs.ndim > 3 else theirs
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5, rtol=1e-5)


def _save(path: Path, single: Single) -> None:
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, single.kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    model.operatorCodes = [code]
    graph, operator = schema.SubGraphT(), schema.OperatorT()
    graph.tensors = [_tensor(model, "x", single.shape, np.float32)]
    for number, array in enumerate(map(np.asarray, single.constants)):
        made = _tensor(model, f"c{number}", array.shape, array.dtype, array)
        graph.tensors.append(made)
    count = len(graph.tensors)
    graph.tensors += [
        _tensor(model, f"y{n}", single.made or (1,) * single.rank, single.dtype)
        for n in range(single.outputs)
    ]
    operator.inputs = [*range(1, count), 0] if single.before else [*range(count)]
    operator.inputs += [0] * single.twice
    operator.outputs = [*range(count, count + single.outputs)]
    if single.options is not None:
        name, values = single.options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.builtinOptions = getattr(schema, f"{name}T")()
        vars(operator.builtinOptions).update(values)
    graph.inputs, graph.outputs, graph.operators = [0], operator.outputs, [operator]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def _tensor(
    model: Any, name: str, shape: Sequence[int], kind: Any, data: Any = None
) -> Any:
    buffer, tensor = schema.BufferT(), schema.TensorT()
    if data is not None:
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), len(model.buffers)
    tensor.type = getattr(schema.TensorType, np.dtype(kind).name.upper())
    model.buffers.append(buffer)
    return tensor
