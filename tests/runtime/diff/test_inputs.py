"""The two sides of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.errors import UsageError
from edgekit.export.workers import export_all
from edgekit.progress import Silent
from tests.runtime.diff.test_diff import PROJECT, images, prepared
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


def test_what_is_not_a_source_is_refused_with_the_forms(folder: Path) -> None:
    artifact = folder / "files/onnxruntime-fp32.onnx"
    question = Question(artifact=artifact, folder=folder, against=folder / "data.npz")
    with pytest.raises(UsageError, match=r"--against .*data.npz .*file.py:function"):
        diff(question, LocalDevice(), Silent())
