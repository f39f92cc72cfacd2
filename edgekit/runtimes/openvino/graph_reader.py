"""An OpenVINO file taken apart, and its copy that gives every tensor.

Quantized tensors are shown behind their `FakeQuantize`, as with ONNX, so that int8 kernels
stay.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edgekit.types import Precision, TensorSpec
from edgekit.types.diff import ModelGraph, Step

_SHAPE_OPERATORS = ("ShapeOf",)
_REAL = ("f32", "f16", "f64", "bf16")
_DTYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "boolean": "bool"}
_DTYPES |= {f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
_DTYPES |= {f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}


PACKAGE = "openvino"
"""Command that installs the library that reads the format."""


def instrument(path: Path, copy: Path) -> ModelGraph:
    """The operators of `path`; `copy` becomes a file that gives their outputs by `probe`."""
    # Importing OpenVINO reports the fact to its maker; without this it uses a stub.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    model = openvino.Core().read_model(str(path))
    inputs = tuple(map(_spec, model.inputs))
    outputs = tuple(map(_spec, model.outputs))
    behind = [_key(port.get_node().input_value(0)) for port in model.outputs]
    reached = {_key(port) for port in model.inputs}
    at: dict[tuple[str, int], int] = {}
    steps: list[Step] = []
    shown: dict[tuple[str, int], Any] = {}
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        read = [_key(node.input_value(n)) for n in range(node.get_input_size())]
        if kind in (*_SHAPE_OPERATORS, "Result") or not reached & set(read):
            continue
        sources = tuple(dict.fromkeys(at[key] for key in read if key in at))
        for port in node.outputs():
            key = _key(port)
            reached.add(key)
            at[key] = len(steps)
            seen = _behind_quantization(port) if key not in behind else port
            real = port.get_element_type().get_type_name() in _REAL
            if real:
                shown.setdefault(_key(seen), seen)
            steps.append(
                Step(
                    name=node.get_friendly_name(),
                    kind=kind,
                    tensor=min(port.get_names(), default=node.get_friendly_name()),
                    sources=sources,
                    shape=_shape(port),
                    probe=_probe(_key(seen)) if real else None,
                )
            )
    for key, port in shown.items():
        if key not in behind:
            port.get_tensor().set_names({_probe(key)})
            model.add_outputs([port])
    steps = _with_own_names(steps, dict(zip(behind, outputs, strict=True)))
    openvino.save_model(model, str(copy), compress_to_fp16=False)
    return ModelGraph(
        precision=_precision(model),
        inputs=inputs,
        outputs=outputs,
        steps=tuple(steps),
        ends=tuple(at.get(key) for key in behind),
    )


def _with_own_names(
    steps: list[Step], ends: dict[tuple[str, int], TensorSpec]
) -> list[Step]:
    """The artifact's own outputs keep their names in the copy."""
    from dataclasses import replace

    own = {_probe(key): spec.name for key, spec in ends.items()}
    return [
        replace(step, probe=own.get(step.probe or "", step.probe)) for step in steps
    ]


def _behind_quantization(port: Any) -> Any:
    consumers = list(port.get_target_inputs())
    if (
        len(consumers) == 1
        and consumers[0].get_node().get_type_name() == "FakeQuantize"
    ):
        return consumers[0].get_node().output(0)
    return port


def _key(port: Any) -> tuple[str, int]:
    return port.get_node().get_friendly_name(), port.get_index()


def _probe(key: tuple[str, int]) -> str:
    return f"edgekit probe {key[0]} {key[1]}"


def _shape(port: Any) -> tuple[int, ...]:
    found = port.get_partial_shape()
    if found.rank.is_dynamic:
        return ()
    return tuple(1 if size.is_dynamic else size.get_length() for size in found)


def _spec(port: Any) -> TensorSpec:
    kind = port.get_element_type().get_type_name()
    return TensorSpec(
        name=port.any_name if port.get_names() else port.get_node().get_friendly_name(),
        shape=_shape(port),
        dtype=_DTYPES.get(kind, kind),
    )


def _precision(model: Any) -> Precision:
    """int8 where anything is: compressed weights are int8, with scales in half precision."""
    kinds = {node.get_type_name() for node in model.get_ordered_ops()}
    stored = {
        node.get_element_type().get_type_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) > 1
    }
    if "FakeQuantize" in kinds or stored & {"i8", "u8"}:
        return "int8"
    halves = any(
        node.get_type_name() == "Constant"
        and node.get_element_type().get_type_name() == "f16"
        for node in model.get_ordered_ops()
    )
    return "fp16" if halves else "fp32"
