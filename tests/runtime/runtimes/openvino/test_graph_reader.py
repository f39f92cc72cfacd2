"""A faulty OpenVINO file, layer by layer."""

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


def test_a_bad_layer_in_openvino_is_named(folder: Path, tmp_path: Path, apart) -> None:
    bad = tmp_path / "bad.xml"
    source = folder / "files/openvino-fp32.xml"
    apart.submit(plant.in_openvino, source, "node_Conv_61/WithoutBiases", bad).result()
    found = compared(folder, bad)
    assert not found.agrees
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == ("Convolution", "3.plain")
