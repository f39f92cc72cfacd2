"""Damage of int8 measured operator by operator."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.quantization_damage import quantization_damage
from edgekit.types import InputSpec


class Wide(nn.Module):
    """A channel between the first layers that is a thousand times as large as the others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 16)
        self.last = nn.Linear(16, 4)
        with torch.no_grad():
            self.first.weight[0] *= 1000
            self.first.bias[0] *= 1000
            self.second.weight[:, 0] /= 1000

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x))
        return self.last(torch.relu(self.second(y))) * 4


@pytest.fixture(scope="module")
def wide() -> tuple[Wide, WidthGraph, torch.Tensor]:
    torch.manual_seed(0)
    network = Wide()
    samples = torch.randn(64, 6)
    return network, analyze(trace(network, (InputSpec(shape=(6,)),))), samples


def rounded(
    values: torch.Tensor, least: int, most: int, dim: int | None
) -> torch.Tensor:
    """To 8 bits and back, by the formula."""
    if dim is not None:
        scale = values.abs().amax(1 - dim, keepdim=True) / most
        return (values / scale).round().clamp(least, most) * scale
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = (high - low) / (most - least)
    zero = least - round(low / scale)
    return ((values / scale).round() + zero).clamp(least, most).sub(zero) * scale


def test_the_operator_that_reads_the_wide_channel_is_harmed(wide) -> None:
    network, graph, samples = wide
    parts = [(part,) for part in samples.split(16)]
    found = quantization_damage(graph, parts)
    assert found["linear_1"] > 20 * max(found["linear"], found["linear_2"]) > 0
    with torch.no_grad():
        y = torch.relu(network.first(samples))
        y = rounded(y, -128, 127, None)
        weight = rounded(network.second.weight, -127, 127, 0)
        y = torch.relu(F.linear(y, weight, network.second.bias))
        logits = network.last(y) * 4, network(samples)
        expected = F.kl_div(
            *(each.log_softmax(1) for each in logits),
            reduction="batchmean",
            log_target=True,
        )
    assert found["linear_1"] == pytest.approx(float(expected), rel=0.02)


def test_the_network_stays_as_it_was(wide) -> None:
    _, graph, samples = wide
    before = graph.program.module(samples)
    quantization_damage(graph, [(samples,)])
    assert torch.equal(graph.program.module(samples), before)
