"""The author's module behind each operator of a trace."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.program.module_path import layer
from edgekit.program.program import trace
from edgekit.types import InputSpec


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(4, 2))])

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks[0](self.stem(x)) + 1


def test_the_innermost_module_is_named() -> None:
    graph = trace(Net(), (InputSpec(shape=(4,)),)).module.graph
    found = {
        str(node.target): layer(node)
        for node in graph.nodes
        if node.op == "call_function"
    }
    assert found["aten.relu.default"] == "blocks.0.0"
    linear = [
        layer(n)
        for n in graph.find_nodes(
            op="call_function", target=torch.ops.aten.linear.default
        )
    ]
    assert linear == ["stem", "blocks.0.1"]
    assert found["aten.add.Tensor"] == ""
