"""Operators that are slow or in float."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.diff.exported import compared


def test_int8_is_measured_by_its_noise_and_its_slow_operators(
    exported_project: Path,
) -> None:
    found = compared(exported_project, exported_project / "files/litert-int8.tflite")
    assert found.agrees
    assert found.precision == "int8"
    assert all(10 < (row.distance.sqnr_db or 0) < 60 for row in found.layers)
    sorts = {one.sort: one for one in found.counts}
    assert sorts["transposes"].inserted == 1  # to NHWC, at the input
    assert sorts["quantizations"].file == 2  # at both ends
    assert found.off_path is not None
    assert [one.kind for one in found.off_path] == ["HARD_SWISH"]


def test_int8_kernels_are_kept_while_layers_are_shown(exported_project: Path) -> None:
    found = compared(exported_project, exported_project / "files/onnxruntime-int8.onnx")
    assert found.agrees
    assert found.probing == 0
