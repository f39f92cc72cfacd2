"""Damage measured cut by cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.sensitivity import sensitivity
from edgekit.types import InputSpec


class Branch(nn.Module):
    def __init__(self, width: int, strength: float) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, momentum=1.0)
        self.outer = nn.Conv2d(8, width, 3, padding=1)
        with torch.no_grad():
            self.outer.weight.mul_(strength)
            self.outer.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.outer(self.norm(self.inner(x)).relu())


@pytest.fixture(scope="module")
def graph() -> WidthGraph:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), Branch(8, 3.0), Branch(8, 0.0)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )
    network(
        torch.randn(256, 3, 8, 8)
    )  # statistics of its inputs, as training leaves them
    return analyze(trace(network.eval(), (InputSpec(shape=(3, 8, 8)),)))


def test_a_branch_that_adds_nothing_does_no_damage(graph: WidthGraph) -> None:
    scores = {group.id: np.ones(group.units) for group in graph.groups}
    samples = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = sensitivity(graph, scores, [(samples,)], blocks=graph.blocks)
    strong, idle = (block.id for block in graph.blocks)
    assert found.blocks[idle] == pytest.approx(1e-5)
    assert found.blocks[strong] > 100 * found.blocks[idle]
    assert [width for width, _ in found.groups[f"{strong}.inner"]] == [4, 2]
    assert set(found.groups) == {group.id for group in graph.groups}
