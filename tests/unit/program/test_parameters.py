"""Operators of each parameter, on a program with a weight that serves twice."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.program.parameters import argument_name, serving_once
from edgekit.program.program import trace
from edgekit.types import InputSpec


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.once = nn.Linear(4, 4)
        self.twice = nn.Linear(4, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.twice(self.twice(self.once(x)))


def test_a_parameter_that_serves_twice_is_left_out() -> None:
    module = trace(Tied(), (InputSpec(shape=(4,)),)).module
    assert set(serving_once(module)) == {"once.weight", "once.bias"}


def test_arguments_are_named_where_they_are_parameters() -> None:
    module = trace(Tied(), (InputSpec(shape=(4,)),)).module
    first, second, _ = module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.linear.default
    )
    assert [argument_name(first, n) for n in (0, 1, 2)] == [
        "",
        "once.weight",
        "once.bias",
    ]
    assert [argument_name(second, n) for n in (1, 2)] == ["twice.weight", ""]
