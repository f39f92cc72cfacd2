"""Operators that are slow or in float."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.runtimes.litert import exporter
from edgekit.runtimes.protocol import calibration_samples
from edgekit.types import QuantConfig
from tests.runtime.diff.exported import compared, prepared


def test_int8_is_measured_by_its_noise_and_its_conversions(
    exported_project: Path,
) -> None:
    found = compared(exported_project, exported_project / "files/litert-int8.tflite")
    assert found.agrees
    assert found.precision == "int8"
    assert all(10 < (row.distance.sqnr_db or 0) < 60 for row in found.layers)
    sorts = {one.sort: one for one in found.counts}
    assert sorts["transposes"].inserted == 1  # to NHWC, at the input
    assert sorts["quantizations"].file == 4  # at both ends, and around Hardswish
    assert found.off_path == ()


def test_operators_in_int8_that_are_slow_are_named(
    exported_project: Path, tmp_path: Path
) -> None:
    """A file of which every operator is in int8, as other tools make it."""
    fp32 = exported_project / "files/litert-fp32.tflite"
    inputs, _ = exporter.signature(fp32)
    with np.load(exported_project / "data.npz") as data:
        samples = calibration_samples((prepared(data["x"]),), inputs)
    quantizer = exporter.quantizer(fp32, inputs, samples, tmp_path)
    quantizer.quantize("int8", QuantConfig(), tmp_path / "int8.tflite")
    found = compared(exported_project, tmp_path / "int8.tflite")
    assert found.off_path is not None
    assert [one.kind for one in found.off_path] == ["HARD_SWISH"]


def test_int8_kernels_are_kept_while_layers_are_shown(exported_project: Path) -> None:
    found = compared(exported_project, exported_project / "files/onnxruntime-int8.onnx")
    assert found.agrees
    assert found.probing == 0
