"""Operators of ONNX Runtime in float and in int8, each as a file that runs."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgekit.runtimes.onnxruntime import mixing
from tests.runtime.runtimes.mixed import Mixed, mixed


@pytest.fixture(scope="module")
def found(
    convolutional_network, apart, tmp_path_factory: pytest.TempPathFactory
) -> Mixed:
    program, samples = convolutional_network
    place = tmp_path_factory.mktemp("mixed")
    program.save(place / "net.pt2")
    arguments = "onnxruntime", ("HardSigmoid", "Mul"), place, program.inputs, samples
    return apart.submit(mixed, *arguments).result()


def test_each_operator_runs_alone_in_both_forms(found: Mixed) -> None:
    assert not found.refused
    kinds = [step.kind for step in found.material.steps]
    assert kinds.count("Conv") == 5 and "HardSigmoid" in kinds
    assert "Relu" not in kinds and "Clip" not in kinds
    floats = [step.kind for step in found.material.steps if step.in_int8 is None]
    assert floats == ["ReduceMean", "Reshape"]
    fused = [len(s.names) for s in found.material.steps if s.kind in ("Conv", "Add")]
    assert fused == [2, 2, 2, 1, 2, 1]


def test_int8_is_taken_and_given_as_inside_of_a_network(found: Mixed) -> None:
    files = {step.in_int8 for step in found.material.steps} - {None}
    assert len(files) > 5
    for file in files:
        graph = onnx.load(str(file)).graph
        for end in (*graph.input, *graph.output):
            assert end.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_what_is_slow_in_int8_is_in_float_and_no_accuracy_is_lost(
    found: Mixed,
) -> None:
    graph = onnx.load(str(found.file)).graph
    [activation] = [node for node in graph.node if node.op_type == "HardSigmoid"]
    [product] = [node for node in graph.node if node.op_type == "Mul"]
    assert {activation.name, product.name} <= {*found.in_float}
    assert activation.output[0] in product.input  # and nothing is rounded between
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert all(node.name not in found.in_float for node in convolutions)
    assert 0 < found.errors["mixed"] <= found.errors["int8"]


def test_operators_of_unknown_shapes_are_not_compared(
    found: Mixed, tmp_path: Path
) -> None:
    model = onnx.load(str(found.file))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    del model.graph.value_info[:]
    onnx.save_model(model, str(tmp_path / "any.onnx"))
    assert mixing.material(tmp_path / "any.onnx", found.file, tmp_path) is None
