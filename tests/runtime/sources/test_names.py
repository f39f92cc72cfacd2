"""Exports carry the names that the file of a source has for its inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgekit as ek
from tests.unit.sources.onnx.models import classifier

UNIT = Path(__file__).parents[2] / "unit" / "sources"
FILES = {
    "onnx": ("picture", "scores"),
    "keras": ("input_layer", "dense"),
    "tflite": ("serving_default_args_0", "serving_default_output_0_output"),
}


def source(kind: str, folder: Path) -> Path:
    """A tiny classifier of images, from a file of this kind."""
    if kind == "onnx":
        return classifier(folder / "net.onnx")
    keras = UNIT / "keras" / "data" / "channels_first.keras"
    return keras if kind == "keras" else UNIT / "tflite" / "data" / "net-fp32.tflite"


@pytest.mark.parametrize(
    "kind",
    [
        "onnx",
        pytest.param("keras", marks=pytest.mark.slow),
        pytest.param("tflite", marks=pytest.mark.slow),
    ],
)
def test_every_export_has_the_names_of_the_file_and_reads_back_as_the_same(
    kind: str, tmp_path: Path
) -> None:
    network = ek.load(source(kind, tmp_path))
    assert (network.inputs[0].name, network.program.outputs[0]) == FILES[kind]
    samples = np.random.default_rng(0).normal(size=(8, *network.inputs[0].shape))
    made = ek.export(
        network,
        target="host",
        runtimes=["litert", "onnxruntime", "openvino"],
        precisions=["fp32", "int8"],
        calibration=samples.astype(np.float32),
        out=tmp_path / "made",
    )
    assert len(made) == 6
    for artifact in made:
        assert [one.name for one in artifact.inputs] == [network.inputs[0].name]
        assert tuple(one.name for one in artifact.outputs) == network.program.outputs
        suffix = artifact.files[0].suffix
        # A TFLite file does not name its order of dimensions: an image's may come back turned.
        readable = suffix == ".onnx" or (suffix == ".tflite" and kind != "tflite")
        if artifact.precision == "fp32" and readable:
            _is_same(ek.load(artifact.files[0]), network)


def _is_same(again: ek.Network, network: ek.Network) -> None:
    """A network read back from another format gives the same, at any batch size."""
    assert [one.shape for one in again.inputs] == [one.shape for one in network.inputs]
    x = torch.randn(3, *network.inputs[0].shape)
    with torch.no_grad():
        found, expected = (
            torch.utils._pytree.tree_leaves(each.module(x)) for each in (again, network)
        )
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * np.ptp(theirs.numpy())
