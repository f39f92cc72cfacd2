"""The networks, and the process that exports them, that tests of exports have too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest

from edgekit.export.workers import Variant, export_all
from edgekit.runtimes import contract
from edgekit.sources.onnx.loading import load
from tests.runtime.conftest import write_tflite
from tests.runtime.export.conftest import (
    _processes,
    apart,
    convolutional_network,
    folder,
    harmed,
    made,
    network,
    two_inputs,
    want,
)
from tests.unit.sources.onnx.models import detector

__all__ = [
    "_processes",
    "apart",
    "convolutional_network",
    "folder",
    "harmed",
    "made",
    "network",
    "two_inputs",
    "want",
]


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    """A tiny file with a contract in it."""
    from tests.runtime.runtimes.test_contract import CONTRACT

    model = write_tflite(tmp_path / "model.tflite")
    contract.embed(model.path, CONTRACT)
    return model.path


@dataclass(frozen=True, kw_only=True)
class Detections:
    """A folder with the files of a detector that was cut before its last operators, an image, and
    what the detector's own file gives for it."""

    folder: Path
    image: np.ndarray
    names: list[str]
    outputs: list[np.ndarray]


@pytest.fixture(scope="session", params=[("offsets", "logits"), ("boxes", "scores")])
def detections(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Detections:
    place = tmp_path_factory.mktemp("detections")
    path = detector(place / "net.onnx", batch="N")
    program = load(path, outputs=request.param)
    requested: list[Variant] = [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("litert", "fp32"),
    ]
    samples = np.random.default_rng(0).standard_normal((16, 3, 8, 8))
    export_all(
        program,
        requested,
        calibration=samples.astype(np.float32),
        folder=place / "made",
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = samples[:1].astype(np.float32)
    return Detections(
        folder=place / "made",
        image=image,
        names=[output.name for output in session.get_outputs()],
        outputs=session.run(None, {"image": image}),
    )


def reads_back(metadata: ModuleType, path: Path) -> None:
    """The text in the file at `path` is read back, written over, and the file itself stays."""
    before = path.read_bytes()
    out, again = (path.with_name(f"{name}-{path.name}") for name in ("with", "again"))
    assert metadata.extract(path) is None
    metadata.embed(path, out, {}, 'first "naïve" <text>')
    assert metadata.extract(out) == 'first "naïve" <text>'
    assert path.read_bytes() == before
    metadata.embed(out, again, {}, "second")
    assert metadata.extract(again) == "second"
