"""One-operator models for OpenVINO: ONNX Runtime's, which it reads as they are."""

from edgekit.runtimes.onnxruntime import microbenchmark
from edgekit.types import Precision
from edgekit.types.operator_shape import OperatorShape

SUFFIX = microbenchmark.SUFFIX


def model(operator: OperatorShape, precision: Precision) -> bytes:
    """The model's bytes; in `int8`, QDQ with signed 8-bit input and output."""
    return microbenchmark.model(operator, precision, embedded=False)
