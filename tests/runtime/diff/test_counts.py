"""Operators that are slow or in float."""

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


def test_int8_is_measured_by_its_noise_and_its_slow_operators(folder: Path) -> None:
    found = compared(folder, folder / "files/litert-int8.tflite")
    assert found.agrees
    assert found.precision == "int8"
    assert all(10 < (row.distance.sqnr_db or 0) < 60 for row in found.layers)
    sorts = {one.sort: one for one in found.counts}
    assert sorts["transposes"].inserted == 1  # to NHWC, at the input
    assert sorts["quantizations"].file == 2  # at both ends
    assert found.off_path is not None
    assert [one.kind for one in found.off_path] == ["HARD_SWISH"]


def test_int8_kernels_are_kept_while_layers_are_shown(folder: Path) -> None:
    found = compared(folder, folder / "files/onnxruntime-int8.onnx")
    assert found.agrees
    assert found.probing == 0
