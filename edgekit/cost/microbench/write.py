"""One-operator models in a runtime's own format, written directly.

A TFLite flatbuffer made through the schema takes about a millisecond where a conversion takes
seconds, so a table of hundreds of shapes costs no more than running them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit.cost.microbench import onnx as micro_onnx
from edgekit.cost.microbench import tflite as micro_tflite
from edgekit.cost.operator_shape import OperatorShape
from edgekit.errors import DeviceError
from edgekit.types import Precision, RuntimeName

Writer = Callable[[OperatorShape, Precision], bytes]

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
_FORMATS: dict[RuntimeName, tuple[Writer, str]] = {
    "litert": (micro_tflite.model, ".tflite"),
    "tflite-runtime": (micro_tflite.model, ".tflite"),
    "onnxruntime": (micro_onnx.model, ".onnx"),
    "openvino": (micro_onnx.model, ".onnx"),
}


def write(
    operator: OperatorShape, runtime: RuntimeName, precision: Precision, folder: Path
) -> Path:
    """A model of `operator` alone, batch size 1, with seeded random weights.

    `int8` is statically quantized as exports are: activations by tensor, weights by channel.
    """
    if precision not in PRECISIONS:
        raise DeviceError(
            f"No one-operator models in {precision}. Known: {', '.join(PRECISIONS)}."
        )
    writer, suffix = _FORMATS[runtime]
    path = folder / f"{operator.key.replace(':', '-').replace(',', '_')}{suffix}"
    path.write_bytes(writer(operator, precision))
    return path
