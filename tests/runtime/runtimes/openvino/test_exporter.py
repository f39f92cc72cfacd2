"""OpenVINO IR gives what the network gave, in every precision."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.runtime.export.apart import cosine, one, relative_error
from tests.runtime.runtimes.several import keeps_several

RUNTIME = "openvino"


def layers(path: Path) -> list[ET.Element]:
    return list(ET.parse(path).getroot().iter("layer"))


def constants(path: Path) -> set[str | None]:
    """Element types of the constants of an IR file."""
    return {
        layer.find("data").get("element_type")  # type: ignore[union-attr]
        for layer in layers(path)
        if layer.get("type") == "Const"
    }


def test_fp32_matches_and_is_not_compressed(network, made, want) -> None:
    _, samples = network
    artifact = made.artifacts["fp32"]
    assert [file.name for file in artifact.files] == ["fp32.xml", "fp32.bin"]
    (spec,) = artifact.inputs
    assert (spec.name, spec.shape) == ("image", (1, *samples.shape[1:]))
    assert (spec.dtype, spec.quantization) == ("float32", None)
    assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
    assert artifact.outputs[0].name == "output"
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4
    assert "f16" not in constants(artifact.files[0])


def test_fp16_halves_the_weights(made, want) -> None:
    artifact = made.artifacts["fp16"]
    assert "f16" in constants(artifact.files[0])
    assert (
        artifact.files[1].stat().st_size
        < made.artifacts["fp32"].files[1].stat().st_size
    )
    assert relative_error(made.outputs["fp16"][0], want) < 1e-2


def test_int8_is_close_and_keeps_float_ends(made, want) -> None:
    artifact = made.artifacts["int8"]
    assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == "float32"
    assert cosine(made.outputs["int8"][0], want) >= 0.98
    assert "i8" in constants(artifact.files[0])
    assert "FakeQuantize" in {layer.get("type") for layer in layers(artifact.files[0])}


def test_attention_is_quantized_as_a_transformer(made, network) -> None:
    program, _ = network
    attends = any(
        "attention" in str(node.target) for node in program.module.graph.nodes
    )
    text = made.artifacts["int8"].files[0].read_text()
    assert ('<model_type value="transformer"' in text) == attends


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_labels_are_in_the_file(made, precision) -> None:
    root = ET.parse(made.artifacts[precision].files[0]).getroot()
    labels = root.find("rt_info/model_info/labels")
    assert labels is not None
    assert json.loads(labels.get("value", "")) == ["cat", "naïve dog"]


def test_several_inputs_and_outputs_keep_their_order(
    two_inputs, apart, tmp_path: Path
) -> None:
    keeps_several(two_inputs, apart, tmp_path, RUNTIME)


def test_only_the_artifact_is_left(
    convolutional_network, apart, folder: Path, tmp_path: Path
) -> None:
    program, _ = convolutional_network
    program.save(tmp_path / "net.pt2")
    options = {"precision": "fp32", "calibration": None}
    artifact = apart.submit(
        one, RUNTIME, folder, tmp_path / "net.pt2", program.inputs, options
    ).result()
    assert artifact.files == (folder / "net.xml", folder / "net.bin")
    assert set(folder.iterdir()) == set(artifact.files)
