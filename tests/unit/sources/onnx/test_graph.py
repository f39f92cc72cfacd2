"""An ONNX graph as plain values: what it reads, and what its outputs need."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ModelError
from edgekit.sources.onnx.graph import Graph, dense, needed, parsed, reads
from tests.unit.sources.onnx.models import make

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 4))


def graph_of(*nodes: onnx.NodeProto, opset: int = 17) -> Graph:
    ends = [helper.make_empty_tensor_value_info("y")]
    graph = helper.make_graph(nodes, "net", [X], ends)
    return parsed(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    )


def test_sparse_constants_are_written_out() -> None:
    values = numpy_helper.from_array(np.array([5.0, 7.0], np.float32), "values")
    for indices in ([1, 5], [[0, 1], [1, 2]]):
        places = numpy_helper.from_array(np.array(indices, np.int64), "indices")
        found = dense(helper.make_sparse_tensor(values, places, [2, 3]))
        assert found.tolist() == [[0, 5, 0], [0, 0, 7]]


def test_constant_nodes_are_constants_that_no_one_named() -> None:
    graph = graph_of(
        make("Constant", [], ["two"], value_float=2.0), make("Mul", ["x", "two"], ["y"])
    )
    assert [node.kind for node in graph.nodes] == ["Mul"]
    assert graph.constants["two"] == np.float32(2)
    assert graph.anonymous == {"two"}
    assert graph.inputs[0].shape == ("n", 4)
    with pytest.raises(ModelError, match="holds text or nothing"):
        graph_of(make("Constant", [], ["y"], value_string="text"))


def test_a_node_reads_what_its_subgraphs_take_from_outside() -> None:
    ends = [helper.make_empty_tensor_value_info("inner")]
    nodes = [make("Relu", ["x"], ["own"]), make("Add", ["own", "far"], ["inner"])]
    body = helper.make_graph(nodes, "yes", [], ends)
    graph = graph_of(make("If", ["c"], ["y"], then_branch=body, else_branch=body))
    assert reads(graph.nodes[0]) == {"c", "x", "far"}


def test_outputs_need_their_own_operators_in_the_order_of_the_file() -> None:
    graph = graph_of(
        make("Relu", ["x"], ["a"]),
        make("Neg", ["x"], ["b"]),
        make("Exp", ["a"], ["y"]),
    )
    assert [node.kind for node in needed(graph, ["y"])] == ["Relu", "Exp"]
