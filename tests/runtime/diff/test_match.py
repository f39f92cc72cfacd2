"""Layers beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.diff.exported import compared


@pytest.mark.parametrize(
    "name",
    ["onnxruntime-fp32.onnx", "openvino-fp32.xml", "litert-fp32.tflite"],
)
def test_an_export_agrees_layer_by_layer(exported_project: Path, name: str) -> None:
    found = compared(exported_project, exported_project / "files" / name)
    assert found.agrees
    assert (found.divergence, found.preprocessing) == (None, ())
    assert found.outputs[0].distance.relative_error < 1e-5
    assert found.accuracy == {"network": 1.0, "artifact": 1.0}
    layers = {row.layer for row in found.layers}
    # The first and the last layer, one inside a block, and what was folded into another.
    assert {"10", "3.pointwise", "5"} <= layers
    assert all(row.distance.relative_error < 1e-5 for row in found.layers)
