"""Refusals by a profile: opset, static shapes, integers only, operators, RAM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from edgekit.config import targets
from edgekit.errors import BudgetInfeasible
from edgekit.pipeline.compatibility import _by_profile, _by_types, memory
from edgekit.program.program import Program, trace
from edgekit.report.export_words import incompatibility
from edgekit.runtimes.operators import of_file
from edgekit.types import Artifact, InputSpec, TensorSpec


@pytest.fixture(scope="module")
def network() -> Program:
    layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return trace(layers, (InputSpec(shape=(4,)),))


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A file in opset 20, whose last operator gives a shape of values."""
    from onnx import TensorProto, helper, save_model

    nodes = [
        helper.make_node("Gelu", ["x"], ["relu"]),
        helper.make_node("NonZero", ["relu"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    graph = helper.make_graph(nodes, "g", [x], [y])
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path
    )
    return Artifact(
        name="onnxruntime-fp32",
        runtime="onnxruntime",
        precision="fp32",
        files=(path,),
        inputs=(),
        outputs=(),
    )


def lines(network: Program, artifact: Artifact, **changes: Any) -> list[str]:
    target = replace(targets.load("raspberrypi4"), **changes)
    found = _by_profile(
        target, network, artifact, of_file(artifact.runtime, artifact.files[0]), None
    )
    return [incompatibility(one) for one in found]


def test_nothing_is_ruled_out_that_the_profile_does_not_name(network, artifact) -> None:
    assert lines(network, artifact) == []


def test_a_newer_opset_is_named_by_operator_and_file(network, artifact) -> None:
    first, last = lines(network, artifact, opset=17)
    assert first.startswith(
        "Gelu is of opset 20; raspberrypi4 reads 17; layer '1' needs it."
    )
    assert last.startswith("the file is of ONNX opset 20; raspberrypi4 reads 17")


def test_shapes_that_depend_on_values_are_named(network, artifact) -> None:
    [line] = lines(network, artifact, static_shapes=True)
    assert "NonZero gives a shape that depends on values" in line
    assert "Make that size a constant" in line


def test_integers_only_names_what_stays_in_float(network, artifact) -> None:
    assert lines(network, artifact, whole_int8=True) == []
    [line] = lines(network, replace(artifact, precision="int8"), whole_int8=True)
    assert line.startswith(
        "Gelu stays in float, and raspberrypi4 computes in int8 only"
    )


def test_a_missing_operator_is_named(network, artifact) -> None:
    [line] = lines(network, artifact, missing_operators={"onnxruntime": ("NonZero",)})
    assert line.startswith("onnxruntime on raspberrypi4 has no NonZero")


def test_more_than_the_ram_is_refused_unless_the_plan_keeps_to_it() -> None:
    big = trace(nn.Linear(1024, 1024), (InputSpec(shape=(1024,)),))
    small = replace(targets.load("raspberrypi4"), ram_mb=2)
    with pytest.raises(BudgetInfeasible, match=r"2 MiB of RAM.*takes 4 MiB at least"):
        memory(big, small, None)
    memory(big, small, 1.5)
    memory(big, replace(small, ram_mb=64), None)


def test_the_armv7_profile_is_bound_to_the_last_release() -> None:
    assert targets.load("raspberrypi-armv7").runtime_versions == {
        "tflite-runtime": "2.14.0"
    }


@pytest.mark.parametrize(
    ("target", "runtime", "dtype", "refused"),
    [
        ("web", "litert", "int64", ["LiteRT.js 2.5.3 takes no int64 (tokens)"]),
        ("web", "litert", "int32", []),
        ("web", "onnxruntime", "int64", []),
        ("raspberrypi4", "litert", "int64", []),
    ],
)
def test_a_page_takes_the_types_of_its_runtime(
    artifact, target: str, runtime: str, dtype: str, refused: list[str]
) -> None:
    tokens = TensorSpec(name="tokens", shape=(1, 4), dtype=dtype)
    made = replace(artifact, runtime=runtime, inputs=(tokens,))
    found = _by_types(targets.load(target), made)
    assert [incompatibility(one) for one in found] == refused
