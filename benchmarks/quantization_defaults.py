"""A library's own default recipe for int8, of a file in fp32 and samples that calibrate:

    python -m benchmarks.quantization_defaults RUNTIME FP32 SAMPLES.npy OUT

Each in a process of its own: the libraries crash beside each other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgekit.runtimes import registry
from edgekit.runtimes.protocol import Sample, calibration_samples

Samples = Sequence[Sample]


def litert(fp32: Path, samples: Samples, path: Path) -> None:
    """The AI Edge Quantizer's `static_wi8_ai8`."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    quantizer = quantizer.Quantizer(str(fp32), recipe.static_wi8_ai8())
    signatures = Interpreter(model_path=str(fp32)).get_signature_list()
    signature = next(iter(signatures))
    data = [dict(sample) for sample in samples]
    result = quantizer.quantize(quantizer.calibrate({signature: data}))
    path.write_bytes(bytes(result.quantized_model))


def onnxruntime(fp32: Path, samples: Samples, path: Path) -> None:
    """`quant_pre_process`, then `quantize_static` with nothing but the data."""
    from onnxruntime.quantization import quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from edgekit.runtimes.onnxruntime.quantizer import reader

    prepared = path.with_name("default-prepared.onnx")
    quant_pre_process(str(fp32), str(prepared))
    quantize_static(str(prepared), str(path), reader(samples))


def openvino(fp32: Path, samples: Samples, path: Path) -> None:
    """`nncf.quantize` with nothing but the data."""
    import nncf
    import openvino

    model = openvino.Core().read_model(str(fp32))
    openvino.save_model(nncf.quantize(model, nncf.Dataset(list(samples))), str(path))


DEFAULTS: dict[str, Callable[[Path, Samples, Path], None]] = {
    "litert": litert,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}


def main(runtime: str, fp32: str, calibration: str, path: str) -> None:
    inputs, _ = registry.get(runtime).exporter.signature(Path(fp32))
    samples = calibration_samples((np.load(calibration),), inputs)
    DEFAULTS[runtime](Path(fp32), samples, Path(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
