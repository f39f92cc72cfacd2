"""One-operator models for OpenVINO: ONNX Runtime's, which it reads as they are."""

from edgekit.runtimes.onnxruntime.microbenchmark import SUFFIX, model

__all__ = ["SUFFIX", "model"]
