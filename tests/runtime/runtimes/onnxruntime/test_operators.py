"""The operators of an ONNX file, with what releases are checked against."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edgekit.runtimes.onnxruntime import operators
from tests.runtime.conftest import write_onnx


def test_operators_have_the_version_that_changed_them_last(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "model.onnx").path
    product, relu = operators.read(path)
    assert (product.kind, product.version, relu.kind, relu.version) == (
        "MatMul", 13, "Relu", 14,
    )  # fmt: skip
    assert product.names == ("z", "x", "w")
    assert relu.in_float and relu.static
    assert operators.opset(path) == 18


def test_whole_numbers_free_sizes_and_own_domains_are_seen(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
    ]
    ends = [
        helper.make_tensor_value_info("i", TensorProto.INT64, ["n", 4]),
        helper.make_tensor_value_info("g", TensorProto.FLOAT, None),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])]
    opsets = [helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("", 17)]
    graph = helper.make_graph(nodes, "net", given, ends)
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "m.onnx")
    cast, own = operators.read(tmp_path / "m.onnx")
    assert not cast.in_float and not cast.static
    assert (own.kind, own.version) == ("Gelu", 1)
    assert operators.opset(tmp_path / "m.onnx") == 17
