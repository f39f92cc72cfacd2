"""ONNX files for ONNX Runtime; int8 by its own quantizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError
from edgekit.program.program import Program
from edgekit.runtimes.onnxruntime import completion
from edgekit.runtimes.onnxruntime import quantizer as quantize
from edgekit.runtimes.protocol import Signature, input_names, layout, output_names
from edgekit.types import TensorSpec

quantizer = quantize.Quantizer
complete = completion.complete

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
}


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32, batch 1, with the operators that ONNX Runtime would fold folded.

    Node metadata is dropped: it holds stack traces with the author's paths, and can outweigh a
    small network's parameters.
    """
    import onnx
    import torch

    exported = program.exported(static_batch=1)
    count = len(exported.graph_signature.user_outputs)
    outputs = output_names(program, count)
    converted = torch.onnx.export(
        exported,
        (),
        dynamo=True,
        input_names=input_names(program),
        output_names=outputs,
        verbose=False,
    )
    if converted is None:
        raise ArtifactError("torch.onnx.export gave no model.")
    model = converted.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.save_model(model, str(path))


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source` with the names of its classes in its metadata."""
    import onnx

    model = onnx.load(str(source))
    if labels:
        model.metadata_props.add(key="labels", value=json.dumps(labels))
    onnx.save_model(model, str(path))


def signature(path: Path) -> Signature:
    """The inputs and outputs as ONNX Runtime sees them."""
    session = _session(path)
    return (
        tuple(
            _spec(value, layout(tuple(value.shape))) for value in session.get_inputs()
        ),
        tuple(_spec(value, None) for value in session.get_outputs()),
    )


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


def _spec(value: Any, order: str | None) -> TensorSpec:
    if not all(isinstance(size, int) for size in value.shape):
        raise ArtifactError(
            f"ONNX output '{value.name}' has shape {value.shape}, which depends on the values of "
            "the input; only static shapes can be exported."
        )
    dtype = _DTYPES.get(
        value.type, value.type.removeprefix("tensor(").removesuffix(")")
    )
    return TensorSpec(
        name=value.name, shape=tuple(value.shape), dtype=dtype, layout=order
    )
