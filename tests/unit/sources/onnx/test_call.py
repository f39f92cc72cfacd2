"""An operator's view of its node: attributes, constants by role, subgraphs, refusals."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.graph import Graph, GraphTensor, Node
from edgekit.sources.onnx.walk import Walk


def called(module: nn.Module, **attributes: object) -> Call:
    node = Node(
        domain="",
        kind="Conv",
        name="stem/Conv",
        inputs=("x", "w"),
        outputs=("y", ""),
        attributes=attributes,
        version=13,
    )
    walk = Walk(Constants(module), Batch(1, 1))
    return Call(node=node, walk=walk, scope={"around": np.array(3.0)})


def test_a_call_has_its_nodes_attributes() -> None:
    call = called(nn.Module(), group=2)
    assert (call.get("group"), call.get("pads", [0])) == (2, [0])
    assert (call.version, call.outputs) == (13, 2)
    assert str(call.refuse("is not supported")) == (
        "The ONNX operator Conv 'stem/Conv' is not supported."
    )


def test_constants_with_a_role_are_trained() -> None:
    module = nn.Module()
    call = called(module)
    array = np.ones((2, 2), np.float32)
    tensor = call.tensor(array, "weight")
    assert isinstance(tensor, nn.Parameter)
    assert tensor is module.get_parameter("stem.weight")
    assert call.tensor(array, "weight") is tensor
    given = torch.zeros(2)
    assert call.tensor(given) is given
    assert not isinstance(call.tensor(np.float32([1, 2])), nn.Parameter)


def test_subgraphs_see_the_values_around_the_node() -> None:
    node = Node(
        domain="",
        kind="Add",
        name="",
        inputs=("own", "around"),
        outputs=("sum",),
        attributes={},
        version=13,
    )
    graph = Graph(
        nodes=(node,),
        constants={},
        anonymous=frozenset(),
        inputs=(GraphTensor(name="own", dtype=1, shape=None),),
        outputs=(GraphTensor(name="sum", dtype=1, shape=None),),
    )
    assert called(nn.Module()).run(graph, [np.array(4.0)]) == [np.array(7.0)]
