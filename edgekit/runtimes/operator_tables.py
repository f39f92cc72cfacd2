"""The operators of an exported file, and which of them a runtime lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.config.resources import shipped

_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL", "INT4")


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator of a file. `names` are those of its outputs, then of its inputs."""

    kind: str
    code: int | None
    version: int
    names: tuple[str, ...]
    in_float: bool
    static: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """What one release of a runtime reads, as it said itself: versions by operator's code."""

    runtime: str
    version: str
    operators: Mapping[int, frozenset[int]]

    def lacks(self, operator: Operator) -> str | None:
        """Why the runtime does not read the operator; `None` where it does."""
        if operator.code is None:
            return None
        known = self.operators.get(operator.code)
        if not known:
            return f"{self.runtime} {self.version} has no {operator.kind}"
        if operator.version not in known:
            return (
                f"{self.runtime} {self.version} reads {operator.kind} up to version "
                f"{max(known)}, and this is version {operator.version}"
            )
        return None


def table(runtime: str, version: str) -> Table | None:
    """The table of a release; `None` where there is none."""
    path = shipped("targets") / "operators" / f"{runtime}-{version}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text("utf-8"))
    return Table(
        runtime=content["runtime"],
        version=content["version"],
        operators={int(c): frozenset(v) for c, v in content["operators"].items()},
    )


def of_file(path: Path) -> list[Operator]:
    """The operators of a `.tflite` or `.onnx`, in order; none of another format."""
    return {".tflite": _of_tflite, ".onnx": _of_onnx}.get(path.suffix, _none)(path)


def opset_of(path: Path) -> int:
    """The version of ONNX's own operators that a file asks for."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    own = [int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")]
    return max(own, default=1)


def _none(path: Path) -> list[Operator]:
    return []


def _of_tflite(path: Path) -> list[Operator]:
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


def _of_onnx(path: Path) -> list[Operator]:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.output)}
    versions = {one.domain: one.version for one in model.opset_import}
    found = []
    for node in graph.node:
        shapes = [known[n].shape.dim for n in node.output if n in known]
        try:
            since = onnx.defs.get_schema(
                node.op_type, versions.get(node.domain, 1), node.domain
            ).since_version
        except onnx.defs.SchemaError:  # of a runtime's own domain
            since = 1
        found.append(
            Operator(
                kind=node.op_type,
                code=None,
                version=since,
                names=(*node.output, *node.input),
                in_float=any(
                    known[n].elem_type in (1, 10, 11) for n in node.output if n in known
                ),
                static=all(
                    dim.HasField("dim_value") for dims in shapes for dim in dims
                ),
            )
        )
    return found


def _reversed(constants: type) -> dict[int, str]:
    return {n: name for name, n in vars(constants).items() if isinstance(n, int)}


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
