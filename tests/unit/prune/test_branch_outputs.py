"""Branches whose block was dropped, and batch norm's statistics."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import trace
from edgekit.prune.reconstruct import reconstruct
from edgekit.types import InputSpec, Plan
from tests.unit.prune.test_reconstruct import Blocks, error, samples


def test_batch_norm_takes_the_statistics_of_what_is_left() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6))
    network.append(nn.Conv2d(6, 2, 1)).eval()
    graph = analyze(trace(network, (InputSpec(shape=(3, 8, 8)),)))
    [first] = (g for g in graph.groups if g.units == 8)
    given = samples(32, 3, 8, 8)
    fitted = reconstruct(graph, Plan(kept={first.id: (0, 1, 2)}), (given,))
    means = next(b for n, b in fitted.module.named_buffers() if "mean" in n)
    with torch.no_grad():
        weights = dict(fitted.module.named_parameters())
        seen = nn.functional.conv2d(given, weights["0.weight"], weights["0.bias"])
        seen = nn.functional.conv2d(seen, weights["1.weight"], weights["1.bias"])
    assert torch.allclose(means, seen.mean((0, 2, 3)), atol=1e-4)


def test_the_branch_before_a_dropped_block_stands_in_for_it() -> None:
    torch.manual_seed(0)
    given = samples(64, 3, 8, 8)
    network = Blocks().train()
    with torch.no_grad():
        for _ in range(80):
            network(given)
    graph = analyze(trace(network.eval(), (InputSpec(shape=(3, 8, 8)),)))
    plan = Plan(kept={}, dropped_blocks=("second.0",))
    fresh = samples(64, 3, 8, 8, seed=1)
    fitted = reconstruct(graph, plan, (given,))
    assert error(shrink(graph, plan), graph.program, fresh) > 0.2
    assert error(fitted, graph.program, fresh) < 0.02
