"""Layers beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.export.workers import export_all
from tests.runtime.diff.test_diff import PROJECT, compared, images, prepared
from tests.runtime.export.conftest import sampled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own network, and that network exported."""
    root = tmp_path_factory.mktemp("project")
    program, _ = sampled("convolutional")
    raw = images()
    with torch.no_grad():
        classes = program.module(torch.from_numpy(prepared(raw))).argmax(1).numpy()
    np.savez(root / "data.npz", x=raw, y=classes)
    program.save(root / "student.pt2")
    (root / "edgekit.toml").write_text(PROJECT)
    export_all(
        program,
        [
            ("onnxruntime", "fp32"),
            ("onnxruntime", "int8"),
            ("openvino", "fp32"),
            ("litert", "fp32"),
            ("litert", "int8"),
        ],
        calibration=prepared(raw),
        folder=root / "files",
    )
    return root


@pytest.mark.parametrize(
    "name",
    ["onnxruntime-fp32.onnx", "openvino-fp32.xml", "litert-fp32.tflite"],
)
def test_an_export_agrees_layer_by_layer(folder: Path, name: str) -> None:
    found = compared(folder, folder / "files" / name)
    assert found.agrees
    assert (found.divergence, found.preprocessing) == (None, ())
    assert found.outputs[0].distance.relative_error < 1e-5
    assert found.accuracy == {"network": 1.0, "artifact": 1.0}
    layers = {row.layer for row in found.layers}
    # The first and the last layer, one inside a block, and what was folded into another.
    assert {"10", "3.pointwise", "5"} <= layers
    assert all(row.distance.relative_error < 1e-5 for row in found.layers)
