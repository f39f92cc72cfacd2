"""A faulty TFLite file, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.export.workers import export_all
from tests.runtime.diff import plant
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
    ("name", "kind", "number", "layer"),
    [
        ("litert-fp32.tflite", "CONV_2D", 2, "3.pointwise"),
        ("litert-int8.tflite", "CONV_2D", 1, "3.plain"),
    ],
)
def test_a_bad_layer_in_tflite_is_named(
    folder: Path, tmp_path: Path, name: str, kind: str, number: int, layer: str
) -> None:
    bad = tmp_path / "bad.tflite"
    plant.in_tflite(folder / "files" / name, kind, number, bad)
    found = compared(folder, bad)
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == (kind, layer)
