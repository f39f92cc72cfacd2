"""Damage measured cut by cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.graph.graph import WidthGraph
from edgekit.prune.sensitivity import sensitivity


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


def test_a_branch_that_adds_nothing_does_no_damage(graph: WidthGraph) -> None:
    scores = {group.id: np.ones(group.units) for group in graph.groups}
    samples = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = sensitivity(graph, scores, [(samples,)], blocks=graph.blocks)
    strong, idle = (block.id for block in graph.blocks)
    assert found.blocks[idle] == pytest.approx(1e-5)
    assert found.blocks[strong] > 100 * found.blocks[idle]
    assert [width for width, _ in found.groups[f"{strong}.inner"]] == [4, 2]
    assert set(found.groups) == {group.id for group in graph.groups}
