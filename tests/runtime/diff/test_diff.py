"""`edgekit diff` on real exports: agreement, planted layers, planted preprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.errors import UsageError
from edgekit.export.workers import export_all
from edgekit.progress import Silent
from edgekit.types.diff import Diff
from tests.runtime.diff import plant
from tests.runtime.export.conftest import apart, sampled

__all__ = ["apart"]

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


def compared(folder: Path, artifact: Path, **options: object) -> Diff:
    question = Question(
        artifact=artifact,
        folder=folder,
        against=folder / "student.pt2",
        **options,  # type: ignore[arg-type]
    )
    return diff(question, LocalDevice(), Silent())


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


def test_a_bad_layer_in_onnx_is_named(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    plant.in_onnx(folder / "files/onnxruntime-fp32.onnx", "3.plain.weight", bad)
    found = compared(folder, bad)
    assert not found.agrees
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == ("Conv", "3.plain")
    assert found.divergence.after == "node_relu"
    assert found.divergence.distance is not None
    assert found.divergence.distance.relative_error > 0.1


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


def test_a_bad_layer_in_openvino_is_named(folder: Path, tmp_path: Path, apart) -> None:
    bad = tmp_path / "bad.xml"
    source = folder / "files/openvino-fp32.xml"
    apart.submit(plant.in_openvino, source, "node_Conv_61/WithoutBiases", bad).result()
    found = compared(folder, bad)
    assert not found.agrees
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.layer) == ("Convolution", "3.plain")


def test_the_network_may_be_any_source(folder: Path) -> None:
    artifact = folder / "files/onnxruntime-fp32.onnx"
    copied = folder / "student.network"
    copied.write_bytes((folder / "student.pt2").read_bytes())
    found = diff(
        Question(artifact=artifact, folder=folder, against=copied),
        LocalDevice(),
        Silent(),
    )
    assert found.agrees


def test_what_is_not_a_source_is_refused_with_the_forms(folder: Path) -> None:
    artifact = folder / "files/onnxruntime-fp32.onnx"
    question = Question(artifact=artifact, folder=folder, against=folder / "data.npz")
    with pytest.raises(UsageError, match=r"--against .*data.npz .*file.py:function"):
        diff(question, LocalDevice(), Silent())
