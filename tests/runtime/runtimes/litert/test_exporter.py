"""TFLite files run by LiteRT give what the network gave, in every precision."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from edgekit.types import Artifact
from tests.runtime.export.apart import cosine, one, relative_error
from tests.runtime.runtimes.several import keeps_several

RUNTIME = "litert"


def operators(artifact: Artifact) -> Counter[str]:
    """Count of each operator in the file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(artifact.files[0]),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    return Counter(detail["op_name"] for detail in interpreter._get_ops_details())


def test_fp32_matches(network, made, want) -> None:
    _, samples = network
    artifact = made.artifacts["fp32"]
    assert [file.name for file in artifact.files] == ["fp32.tflite"]
    (spec,) = artifact.inputs
    assert (spec.shape, spec.dtype) == ((1, *samples.shape[1:]), "float32")
    assert spec.quantization is None
    assert spec.layout == ("NCHW" if samples.ndim == 4 else None)
    assert relative_error(made.outputs["fp32"][0], want) < 1e-4


def test_fp16_halves_the_weights(made, want) -> None:
    assert made.artifacts["fp16"].size_bytes < made.artifacts["fp32"].size_bytes
    assert relative_error(made.outputs["fp16"][0], want) < 1e-2


def test_int8_is_close_and_keeps_float_ends(made, want) -> None:
    artifact = made.artifacts["int8"]
    for spec in (*artifact.inputs, *artifact.outputs):
        assert (spec.dtype, spec.quantization) == ("float32", None)
    assert made.artifacts["int8"].size_bytes < made.artifacts["fp32"].size_bytes
    assert cosine(made.outputs["int8"][0], want) >= 0.98


def test_int8_takes_in_all_operators_but_slow_ones(apart, network, made) -> None:
    program, _ = network
    called = {str(node.target) for node in program.module.graph.nodes}
    counts = apart.submit(operators, made.artifacts["int8"]).result()
    if any("attention" in each for each in called):
        assert counts["QUANTIZE"] > 1
        return
    parts = 1 + any("hardswish" in each for each in called)
    assert (counts["QUANTIZE"], counts["DEQUANTIZE"]) == (parts, parts)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_labels_are_in_the_file(made, precision) -> None:
    with zipfile.ZipFile(made.artifacts[precision].files[0]) as archive:
        assert archive.read("labels.txt").decode() == "cat\nnaïve dog\n"


def test_several_inputs_and_outputs_keep_their_order(
    two_inputs, apart, tmp_path: Path
) -> None:
    keeps_several(two_inputs, apart, tmp_path, RUNTIME)


def test_only_the_artifact_is_left(
    convolutional_network, apart, folder: Path, tmp_path: Path
) -> None:
    program, samples = convolutional_network
    program.save(tmp_path / "net.pt2")
    options = {"precision": "int8", "calibration": samples[:4]}
    artifact = apart.submit(
        one, "tflite-runtime", folder, tmp_path / "net.pt2", program.inputs, options
    ).result()
    assert artifact.runtime == "tflite-runtime"
    assert artifact.files == (folder / "net.tflite",)
    assert list(folder.iterdir()) == [folder / "net.tflite"]
