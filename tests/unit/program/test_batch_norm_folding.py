"""Batch norm folded into the layer before it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edgekit.program.batch_norm_folding import fold
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


def network(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    found = nn.Sequential(*layers)
    for layer in found:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
    return found.eval()


def norms(program: Program) -> int:
    target = torch.ops.aten.batch_norm.default
    return len(program.module.graph.find_nodes(op="call_function", target=target))


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_stay_and_the_norm_goes(bias: bool) -> None:
    net = network(nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU())
    program = trace(net, (InputSpec(shape=(3, 6, 6)),))
    folded = fold(program)
    assert (norms(program), norms(folded)) == (1, 0)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(folded.module(x), net(x), rtol=1e-4, atol=1e-5)
    assert not [name for name, _ in folded.module.named_buffers() if "running" in name]


def test_a_norm_behind_an_activation_stays() -> None:
    net = network(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
    assert norms(fold(trace(net, (InputSpec(shape=(3, 6, 6)),)))) == 1
