"""Groups from labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.graph.graph import analyze
from tests.unit.graph.networks import CASES
from tests.unit.graph.test_graph import graph_from


def test_slots_say_which_units_an_index_needs() -> None:
    graph = analyze(CASES["transformer"].program())
    (heads,) = (g for g in graph.groups if g.id == "qkv.head")
    slots = {(s.parameter, s.dim): s.units for s in heads.slots}
    assert slots["project.weight", 1] == tuple((i // 6,) for i in range(24))
    assert slots["qkv.weight", 0] == tuple((i // 6 % 4,) for i in range(72))


def test_what_meets_the_input_or_output_stays() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(x + self.one(x))

    assert graph_from(Skip(), 6).groups == ()


def test_parameters_nothing_uses_are_left_out() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)
            self.spare = nn.Parameter(torch.zeros(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x))

    (group,) = graph_from(Spare(), 6).groups
    assert {slot.parameter for slot in group.slots} == {
        "one.weight",
        "one.bias",
        "two.weight",
    }
