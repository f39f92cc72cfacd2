"""Regions and assertions disappear from a traced program; its outputs do not change."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.program.program import trace
from edgekit.types import InputSpec


class Regions(nn.Module):
    """Angles computed without gradients and with autocast switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("frequencies", torch.rand(4))

    @torch.no_grad()
    def angles(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", enabled=False):
            angles = self.frequencies.float() * x.shape[1]
        return angles.cos(), angles.sin()

    def forward(self, x: Tensor) -> Tensor:
        cos, sin = self.angles(x)
        return self.linear(x) * cos.to(x.dtype) + sin


def test_only_plain_operators_are_left() -> None:
    network = Regions().eval()
    program = trace(network, (InputSpec(shape=(4,)),))
    nodes = program.module.graph.nodes
    namespaces = {str(n.target).split(".")[0] for n in nodes if n.op == "call_function"}
    assert namespaces == {"aten"}
    assert not any("_assert" in str(n.target) for n in nodes)
    assert [name for name, _ in program.module.named_children()] == ["linear"]
    x = torch.randn(5, 4)
    assert torch.allclose(program.module(x), network(x))
    assert torch.allclose(program.copy().module(x), network(x))
    assert program.exported().graph is not None
