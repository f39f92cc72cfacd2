"""Layers that read what was cut."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.prune.reconstruct import reconstruct
from edgekit.types import InputSpec, Plan
from tests.unit.prune.test_reconstruct import error, samples


def test_a_bias_takes_over_what_is_constant() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    with torch.no_grad():
        network[0].weight[7] = 0
        network[0].bias[7] = 3.0
    graph = analyze(trace(network.eval(), (InputSpec(shape=(6,)),)))
    plan = Plan(kept={graph.groups[0].id: tuple(range(7))})
    fitted = reconstruct(graph, plan, (samples(64, 6),))
    assert error(fitted, graph.program, samples(64, 6, seed=1)) < 0.01


def test_taps_of_a_kernel_are_fitted_apart() -> None:
    """The channel that goes is the one that stays, a pixel further: other taps can make it, and
    no mixing of channels."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Conv2d(2, 3, 3, padding=1)
    )
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0, 1, 1] = network[0].weight[1, 0, 1, 0] = 1
        center = network[1].weight[:, 1, 1, 1].clone()
        network[1].weight[:, 1] = 0
        network[1].weight[:, 1, 1, 1] = center
    network.append(nn.ReLU()).append(nn.Conv2d(3, 2, 1)).eval()
    graph = analyze(trace(network, (InputSpec(shape=(1, 12, 12)),)))
    [group] = (g for g in graph.groups if g.units == 2)
    plan, given = Plan(kept={group.id: (0,)}), samples(64, 1, 12, 12)
    fitted, fresh = reconstruct(graph, plan, (given,)), samples(64, 1, 12, 12, seed=1)
    assert error(shrink(graph, plan), graph.program, fresh) > 0.05
    assert error(fitted, graph.program, fresh) < 0.01
