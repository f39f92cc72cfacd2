"""OpenVINO IR, converted from ONNX; int8 by NNCF.

From ONNX because recurrent networks ran several times faster that way than when converted from
the exported program.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.program.program import Program
from edgekit.runtimes.onnxruntime import exporter as onnx
from edgekit.runtimes.openvino import completion
from edgekit.runtimes.openvino import quantizer as quantize
from edgekit.runtimes.protocol import Signature, layout
from edgekit.types import TensorSpec

quantizer = quantize.Quantizer
complete = completion.complete

_DTYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "boolean": "bool"}
_DTYPES |= {f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
_DTYPES |= {f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}


def convert(program: Program, path: Path) -> None:
    """Write `program` as fp32 IR with batch 1, by way of an ONNX file beside it."""
    source = path.with_suffix(".onnx")
    onnx.convert(program, source)
    convert_file(source, path)


def convert_file(source: Path, path: Path) -> None:
    """Write the IR of an ONNX file, its weights uncompressed."""
    import openvino

    # The reader alone: `openvino.convert_model` does the same here and reports its use.
    model = openvino.Core().read_model(str(source))
    openvino.save_model(model, str(path), compress_to_fp16=False)


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source` with the names of its classes in its rt_info."""
    import openvino

    model = openvino.Core().read_model(str(source))
    if labels:
        model.set_rt_info(json.dumps(labels), ["model_info", "labels"])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def signature(path: Path) -> Signature:
    """The inputs and outputs as OpenVINO sees them."""
    import openvino

    return _signature(openvino.Core().read_model(str(path)))


def _signature(model: Any) -> Signature:
    return (
        tuple(_spec(port, layout(tuple(port.shape))) for port in model.inputs),
        tuple(_spec(port, None) for port in model.outputs),
    )


def _spec(port: Any, order: str | None) -> TensorSpec:
    kind = port.get_element_type().get_type_name()
    # A tensor that is both an output and something else's carries several names.
    name = min(port.get_names(), default=port.get_node().get_friendly_name())
    return TensorSpec(
        name=name,
        shape=tuple(int(size) for size in port.shape),
        dtype=_DTYPES.get(kind, kind),
        layout=order,
    )
