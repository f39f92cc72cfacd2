"""From a program to the files that runtimes run, in fp32 and in less.

A build calls `isolation.export_all`, which gives every format a process of its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.export import onnx, openvino, tflite
from edgekit.export.exporter import Exporter, blame, check, make
from edgekit.export.place import publish, scratch
from edgekit.source.program import Program
from edgekit.types import Artifact, Precision, RuntimeName

EXPORTERS: dict[RuntimeName, Exporter] = {
    "litert": tflite,
    "tflite-runtime": tflite,
    "onnxruntime": onnx,
    "openvino": openvino,
}


def export(  # noqa: PLR0913
    program: Program,
    *,
    runtime: RuntimeName,
    precision: Precision,
    calibration: np.ndarray | None,
    folder: Path,
    name: str,
    labels: tuple[str, ...] = (),
) -> Artifact:
    """Write `program` for `runtime` into `folder`, in this process.

    `calibration` is (n, *input shape) float32, preprocessed; int8 needs it. The files appear
    whole or not at all. Raises `ArtifactError` for what the format cannot hold, `RuntimeMissing`
    without its libraries.
    """
    exporter = EXPORTERS[runtime]
    check(exporter, name, precision, calibrated=calibration is not None)
    with scratch(folder) as place:
        fp32 = place / f"fp32{exporter.SUFFIXES[0]}"
        with blame(exporter, name):
            exporter.convert(program, fp32)
            made = make(exporter, fp32, (name, runtime, precision), calibration, labels)
        return publish(made, folder)
