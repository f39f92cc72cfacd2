"""Zeros in weights are zeros in the files, and a .tflite can leave them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.prune.masks import density, magnitude_masks, zero
from edgekit.runtimes.litert.sparse import encode
from edgekit.types import Artifact, InputSpec, Precision, RuntimeName

VARIANTS: list[tuple[RuntimeName, Precision]] = [
    (runtime, precision)
    for runtime in ("litert", "onnxruntime", "openvino")
    for precision in ("fp32", "int8")
]
SPARSITY = 0.8


def pruned() -> Program:
    """Convolutions with batch norm, which exporters fold into them, and a linear layer."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 48),
    )
    program = trace(module, (InputSpec(shape=(3, 12, 12)),))
    return zero(program, magnitude_masks(program, SPARSITY, "layer"))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    samples = np.random.default_rng(0).normal(size=(16, 3, 12, 12)).astype(np.float32)
    folder = tmp_path_factory.mktemp("pruned")
    made = export_all(pruned(), VARIANTS, calibration=samples, folder=folder)
    return {artifact.name: artifact for artifact in made}


def constants(artifact: Artifact) -> list[np.ndarray]:
    """Every constant of two dimensions or more that the file holds."""
    readers = {"litert": _tflite, "onnxruntime": _onnx, "openvino": _openvino}
    return [c for c in readers[artifact.runtime](artifact.files[0]) if c.ndim > 1]


def _tflite(path: Path) -> list[np.ndarray]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8}
    return [
        np.frombuffer(bytes(model.buffers[t.buffer].data), kinds[t.type]).reshape(t.shape)
        for t in model.subgraphs[0].tensors
        if t.type in kinds and model.buffers[t.buffer].data is not None
    ]  # fmt: skip


def _onnx(path: Path) -> list[np.ndarray]:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


def _openvino(path: Path) -> list[np.ndarray]:
    import openvino

    model = openvino.Core().read_model(str(path))
    return [node.data for node in model.get_ops() if node.get_type_name() == "Constant"]


@pytest.mark.parametrize("name", [f"{r}-{p}" for r, p in VARIANTS])
def test_zeros_reach_the_file(artifacts: dict[str, Artifact], name: str) -> None:
    sizes = {864, 2048, 3072}
    weights = [c for c in constants(artifacts[name]) if c.size in sizes]
    assert {c.size for c in weights} == sizes
    for constant in weights:
        # int8 adds zeros of its own, where a weight is smaller than half a step
        assert SPARSITY - 0.001 <= np.mean(constant == 0) < SPARSITY + 0.07
        if name.endswith("int8"):
            assert constant.dtype == np.int8


def outputs(path: Path, samples: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    [given], [made] = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for sample in samples:
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(made["index"])[0])
    return np.stack(found)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_tflite_without_its_zeros_is_smaller_and_the_same(
    artifacts: dict[str, Artifact], tmp_path: Path, precision: str
) -> None:
    [path] = artifacts[f"litert-{precision}"].files
    content = path.read_bytes()
    sparse, count = encode(content)
    assert count == (2 if precision == "fp32" else 1), "the 1x1 convolution, and linear"
    if precision == "fp32":
        gone = (2048 + 3072) * SPARSITY * 4
        assert len(sparse) < len(content) - 0.5 * gone
    (tmp_path / "sparse.tflite").write_bytes(sparse)
    samples = np.random.default_rng(1).normal(size=(8, 3, 12, 12)).astype(np.float32)
    np.testing.assert_array_equal(
        outputs(tmp_path / "sparse.tflite", samples), outputs(path, samples)
    )


def test_weights_that_are_mostly_there_stay_as_they_are(
    artifacts: dict[str, Artifact],
) -> None:
    content = artifacts["litert-fp32"].files[0].read_bytes()
    assert encode(content, at_least=0.95) == (content, 0)


def test_density_counts_what_stays() -> None:
    masks = magnitude_masks(pruned(), 0.9, "layer")
    assert density(masks) == pytest.approx(0.1, abs=0.001)
    assert density({}) == 1.0


def test_several_graphs_are_refused() -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version = 3
    model.subgraphs = [schema.SubGraphT(), schema.SubGraphT()]
    builder = flatbuffers.Builder(64)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ArtifactError, match="2 graphs cannot be stored sparsely"):
        encode(bytes(builder.Output()))
