"""ONNX files run by ONNX Runtime give what the network gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import ArtifactError
from edgekit.export import export
from tests.runtime.export.apart import cosine, relative_error
from tests.runtime.runtimes.several import keeps_several

RUNTIME = "onnxruntime"


def test_fp32_matches(network, made, want) -> None:
    _, samples = network
    artifact = made.artifacts["fp32"]
    assert [file.name for file in artifact.files] == ["fp32.onnx"]
    (spec,) = artifact.inputs
    assert (spec.name, spec.shape) == ("image", (1, *samples.shape[1:]))
    assert (spec.dtype, spec.quantization) == ("float32", None)
    assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
    assert (artifact.outputs[0].name, artifact.outputs[0].layout) == ("output", None)
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4


def test_int8_is_close_and_keeps_float_ends(made, want) -> None:
    artifact = made.artifacts["int8"]
    assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == "float32"
    assert cosine(made.outputs["int8"][0], want) >= 0.98
    model = onnx.load(str(artifact.files[0]))
    stored = {tensor.data_type for tensor in model.graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    scales = [t for t in model.graph.initializer if t.name.endswith("weight_scale")]
    assert any(scale.dims and scale.dims[0] > 1 for scale in scales), "per channel"


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_labels_are_in_the_file(made, precision) -> None:
    model = onnx.load(str(made.artifacts[precision].files[0]))
    (labels,) = [p.value for p in model.metadata_props if p.key == "labels"]
    assert json.loads(labels) == ["cat", "naïve dog"]


def test_the_file_states_nothing_of_the_authors_code(made) -> None:
    content = made.artifacts["fp32"].files[0].read_bytes()
    assert b"conftest" not in content
    assert str(Path(__file__).parent).encode() not in content


def test_several_inputs_and_outputs_keep_their_order(
    two_inputs, apart, tmp_path: Path
) -> None:
    keeps_several(two_inputs, apart, tmp_path, RUNTIME)


@pytest.mark.parametrize(
    ("precision", "calibration", "words"),
    [
        ("int16x8", None, r"ONNX export of net: precision int16x8 .* fp32, fp16, int8"),
        ("int8", None, r"int8 needs calibration samples"),
        ("int8", (4, 3, 8, 8), r"shape \(4, 3, 8, 8\); input 'image' takes \(n, 3, 32"),
        ("int8", (0, 3, 32, 32), r"shape \(0, 3, 32, 32\)"),
    ],
)
def test_refusals_leave_nothing(
    convolutional_network, folder: Path, precision, calibration, words
) -> None:
    program, _ = convolutional_network
    with pytest.raises(ArtifactError, match=words):
        export(
            program,
            runtime=RUNTIME,
            precision=precision,
            calibration=calibration and np.zeros(calibration, np.float32),
            folder=folder,
            name="net",
        )
    assert not folder.exists() or not list(folder.iterdir())
