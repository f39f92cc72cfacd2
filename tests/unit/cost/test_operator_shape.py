"""Operators' costs and the tensors that count, read off the graph."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgekit.cost.operator_shape import describe, groups_at, parameter_nodes
from edgekit.graph.graph import analyze
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.unit.graph.networks import CASES
from tests.zoo.exactness import macs


class Product(nn.Module):
    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation
        self.left, self.right = nn.Linear(6, 12), nn.Linear(6, 12)

    def forward(self, x: Tensor) -> Tensor:
        left, right = (
            part(x).unflatten(-1, (3, 4)) for part in (self.left, self.right)
        )
        return torch.einsum(self.equation, left, right)


@pytest.mark.parametrize(
    "equation", ["bqhd,bkhd->bhqk", "b q h d, b q h e -> b h d e", "bqhd,bkhd->bqk"]
)
def test_the_operations_of_an_einsum(equation: str) -> None:
    program = trace(Product(equation), (InputSpec(shape=(5, 6)),))
    graph = analyze(program)
    counted = sum(
        operator.macs
        for node in program.module.graph.nodes
        if (operator := describe(graph, node))
    )
    assert counted == macs(program, program.example(1))


def test_a_tied_parameter_counts_once_under_the_name_in_use() -> None:
    graph = analyze(CASES["decoder"].program())
    names = [str(node.target) for node in parameter_nodes(graph)]
    assert "head.weight" in names and "embed.weight" not in names
    assert len(names) == 9
    assert all(node in graph.live for node in parameter_nodes(graph))


def test_a_cell_with_several_outputs_depends_on_its_inputs_groups() -> None:
    graph = analyze(CASES["lstm"].program())
    (cell,) = graph.program.module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.lstm.input
    )
    assert "cells" in groups_at(graph, cell)
