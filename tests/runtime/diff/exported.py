"""A project of its own network with that network exported, for comparisons layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.export.workers import export_all
from edgekit.progress import Silent
from edgekit.types.diff import Diff
from tests.runtime.export.conftest import sampled

PROJECT = """\
[model]
source = "student.pt2"
[data]
train = "data.npz"
test  = "data.npz"
[data.preprocess]
scale = 255
mean  = [0.5, 0.5, 0.5]
std   = [0.25, 0.25, 0.25]
"""


def images() -> np.ndarray:
    """Smooth color images of bytes, (24, 3, 32, 32)."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (24, 4, 4, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((32, 32))) for one in small]
    return np.stack(large).transpose(0, 3, 1, 2)


def prepared(raw: np.ndarray) -> np.ndarray:
    return ((raw / 255 - 0.5) / 0.25).astype(np.float32)


def write_project(root: Path) -> None:
    """The project, and `files/`: the network for three runtimes, for two of them in int8 too."""
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


def compared(folder: Path, artifact: Path, **options: object) -> Diff:
    question = Question(
        artifact=artifact,
        folder=folder,
        against=folder / "student.pt2",
        **options,  # type: ignore[arg-type]
    )
    return diff(question, LocalDevice(), Silent())
