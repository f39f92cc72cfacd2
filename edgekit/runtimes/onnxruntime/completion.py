"""ONNX files that end as the network's own file did."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import compose, helper, version_converter

from edgekit.program.tail import OUTPUTS

_PREFIX = "tail/"


def complete(source: Path, tail: Path, path: Path) -> None:
    """Write `source` with the operators of `tail` behind its outputs.

    Raises what ONNX or ONNX Runtime raises where they do not fit.
    """
    model, behind = _alike(onnx.load(str(source)), onnx.load(str(tail)))
    properties = {each.key: each.value for each in behind.metadata_props}
    del behind.metadata_props[:]
    ends = [output.name for output in model.graph.output]
    inputs = [each.name for each in behind.graph.input]
    joined = compose.merge_models(
        model,
        compose.add_prefix(behind, _PREFIX),
        io_map=[(a, _PREFIX + b) for a, b in zip(ends, inputs, strict=True)],
        outputs=[*ends, *(_PREFIX + o.name for o in behind.graph.output)],
    )
    names = json.loads(properties[OUTPUTS])
    _rename(joined.graph, names, dict(zip(inputs, ends, strict=True)))
    onnx.save_model(joined, str(path))
    _open(path)


def _alike(
    model: onnx.ModelProto, tail: onnx.ModelProto
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Both in one set of operators and one version of the format."""
    newest = max(_version(model), _version(tail))
    model, tail = (
        each if _version(each) == newest else _converted(each, newest)
        for each in (model, tail)
    )
    model.ir_version = tail.ir_version = max(model.ir_version, tail.ir_version)
    return model, tail


def _converted(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    properties = {each.key: each.value for each in model.metadata_props}
    made = version_converter.convert_version(model, version)
    helper.set_model_props(made, properties)
    return made


def _version(model: onnx.ModelProto) -> int:
    found = (e.version for e in model.opset_import if e.domain in ("", "ai.onnx"))
    return next(found, 1)


def _rename(graph: onnx.GraphProto, names: list[str], own: dict[str, str]) -> None:
    """Have the graph end in `names`; those in `own` are outputs that the network gives."""
    values = {each.name: each for each in graph.output}
    taken = {name for node in graph.node for name in node.output}
    del graph.output[:]
    for name in names:
        place = own.get(name, _PREFIX + name)
        value = onnx.ValueInfoProto()
        value.CopyFrom(values[place])
        if place != name and name not in taken:
            graph.node.append(helper.make_node("Identity", [place], [name]))
            value.name = name
        graph.output.append(value)


def _open(path: Path) -> None:
    """Raise the error of ONNX Runtime for a file that it cannot run."""
    import onnxruntime

    onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
