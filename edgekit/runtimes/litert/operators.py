"""The operators of a TFLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.runtimes.operators import Operator

_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL", "INT4")


def read(path: Path) -> list[Operator]:
    """The operators of every graph of the file, in order."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    kinds = _reversed(schema.BuiltinOperator)
    types = _reversed(schema.TensorType)
    found = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            numbers = [n for n in (*operator.outputs, *operator.inputs) if n >= 0]
            tensors = [graph.tensors[n] for n in numbers]
            outputs = tensors[: len(operator.outputs)]
            found.append(
                Operator(
                    kind=kinds.get(number, str(number)),
                    code=number,
                    version=code.version,
                    names=tuple(_text(tensor.name) for tensor in tensors),
                    in_float=any(types[t.type] not in _INTEGERS for t in outputs),
                    static=all(_static(tensor) for tensor in outputs),
                )
            )
    return found


def _static(tensor: Any) -> bool:
    signature = tensor.shapeSignature
    return signature is None or all(int(size) >= 0 for size in signature)


def _reversed(constants: type) -> dict[int, str]:
    return {n: name for name, n in vars(constants).items() if isinstance(n, int)}


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
