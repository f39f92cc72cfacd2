"""A faulty ONNX file, layer by layer."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.diff import plant
from tests.runtime.diff.exported import compared


def test_a_bad_layer_in_onnx_is_named(exported_project: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    plant.in_onnx(
        exported_project / "files/onnxruntime-fp32.onnx", "3.plain.weight", bad
    )
    found = compared(exported_project, bad)
    assert not found.agrees
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == ("Conv", "3.plain")
    assert found.divergence.after == "node_relu"
    assert found.divergence.distance is not None
    assert found.divergence.distance.relative_error > 0.1
