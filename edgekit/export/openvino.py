"""OpenVINO IR, converted from ONNX; int8 by NNCF.

From ONNX because recurrent networks ran several times faster that way than when converted from
the exported program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.export import onnx
from edgekit.export.exporter import Border, feeds, layout
from edgekit.source.program import Program
from edgekit.types import Precision, TensorSpec

TITLE = "OpenVINO"
EXTRA = "openvino"
LIBRARIES: Mapping[str, str] = {
    "openvino": "openvino",
    "nncf": "nncf",
    "onnxscript": "onnxscript",
    "onnx": "onnx",
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
SUFFIXES: tuple[str, ...] = (".xml", ".bin")

_DTYPES = {"f32": "float32", "f16": "float16", "f64": "float64", "boolean": "bool"}
_DTYPES |= {f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
_DTYPES |= {f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}


def convert(program: Program, path: Path) -> None:
    """Write `program` as fp32 IR with batch 1, by way of an ONNX file beside it."""
    source = path.with_suffix(".onnx")
    onnx.convert(program, source)
    convert_onnx(source, path)


def convert_onnx(source: Path, path: Path) -> None:
    """Write the IR of an ONNX file, its weights uncompressed."""
    import openvino

    # The reader alone: `openvino.convert_model` does the same here and reports its use.
    model = openvino.Core().read_model(str(source))
    openvino.save_model(model, str(path), compress_to_fp16=False)


def write(
    fp32: Path,
    precision: Precision,
    calibration: np.ndarray | None,
    labels: tuple[str, ...],
    path: Path,
) -> None:
    """Write `fp32` as it is, with fp16 weights, or quantised by NNCF."""
    import openvino

    model = openvino.Core().read_model(str(fp32))
    if precision == "int8":
        assert calibration is not None
        model = _quantise(model, calibration)
    if labels:
        model.set_rt_info(json.dumps(labels), ["model_info", "labels"])
    openvino.save_model(model, str(path), compress_to_fp16=precision == "fp16")


def border(path: Path) -> Border:
    """The inputs and outputs as OpenVINO sees them."""
    import openvino

    return _border(openvino.Core().read_model(str(path)))


def _quantise(model: Any, calibration: np.ndarray) -> Any:
    """`model` in int8, with ranges that hold every calibration sample.

    NNCF's own averages of ranges clip what few samples reach: on the digits example its outputs
    were five times further from the network's. SmoothQuant is off: it left a small attention
    block at a cosine of 0.88, which is 0.9997 without.
    """
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
    )
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    inputs, _ = _border(model)
    samples = feeds(calibration, inputs)
    return nncf.quantize(
        model,
        nncf.Dataset(samples),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER if _attends(model) else None,
        advanced_parameters=AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            smooth_quant_alphas=AdvancedSmoothQuantParameters(
                matmul=-1, convolution=-1
            ),
        ),
    )


def _attends(model: Any) -> bool:
    """Whether a softmax weighs something, as in attention, rather than ending a classifier."""
    return any(
        target.get_node().get_type_name() == "MatMul"
        for node in model.get_ops()
        if node.get_type_name() == "Softmax"
        for target in node.output(0).get_target_inputs()
    )


def _border(model: Any) -> Border:
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
