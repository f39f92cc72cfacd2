"""Layers that lost inputs, fitted to those that are left."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.program.program import Program, set_training, trace
from edgekit.prune.reconstruct import reconstruct
from edgekit.types import InputSpec, Plan
from tests.unit.graph.networks import CASES, Case


def samples(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error(found: Program, whole: Program, given: Tensor) -> float:
    with torch.no_grad():
        expected = whole.module(given)
        return float((found.module(given) - expected).norm() / expected.norm())


def doubled() -> WidthGraph:
    """Hidden units in equal pairs, so that one of each can go for nothing."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    with torch.no_grad():
        for layer in (network[0].weight, network[0].bias):
            layer[4:] = 0.5 * layer[:4]
    return analyze(trace(network.eval(), (InputSpec(shape=(6,)),)))


def test_what_is_left_stands_in_for_what_it_repeats() -> None:
    graph = doubled()
    [group] = graph.groups
    plan, given = Plan(kept={group.id: (0, 1, 2, 3)}), samples(64, 6)
    fitted = reconstruct(graph, plan, (given,))
    fresh = samples(64, 6, seed=1)
    assert error(shrink(graph, plan), graph.program, fresh) > 0.1
    assert error(fitted, graph.program, fresh) < 0.01


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


def test_the_whole_network_is_left_alone() -> None:
    graph = doubled()
    before = {n: p.clone() for n, p in graph.program.module.named_parameters()}
    reconstruct(graph, Plan(kept={graph.groups[0].id: (0, 1)}), (samples(64, 6),))
    after = dict(graph.program.module.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_too_few_samples_change_nothing() -> None:
    graph = doubled()
    plan, given = Plan(kept={graph.groups[0].id: (0, 1, 2, 3)}), samples(4, 6)
    fitted, cut = reconstruct(graph, plan, (given,)), shrink(graph, plan)
    assert error(fitted, cut, given) == 0


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


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_network_comes_nearer(name: str) -> None:
    """Or stays where it was, where nothing reads what was cut but cells of its own kind."""
    case = CASES[name]
    given = case.inputs(64)
    graph = analyze(settled(case, given))
    plan = Plan(
        kept={g.id: tuple(range(-(-g.units // 2))) for g in graph.groups},
        dropped_blocks=tuple(block.id for block in graph.blocks[:1]),
    )
    fitted, cut = reconstruct(graph, plan, (given,)), shrink(graph, plan)
    assert error(fitted, graph.program, given) < error(cut, graph.program, given)


def settled(case: Case, given: Tensor) -> Program:
    """The network with batch norm's statistics those of its inputs, as training leaves them."""
    program = case.program()
    module = program.module
    set_training(module, True, only="aten::batch_norm")
    with torch.no_grad():
        for _ in range(80):
            module(given)
    set_training(module, False)
    return program


class Blocks(nn.Module):
    """Two residual branches without a rectifier between them: the second is linear in what the
    first one reads, so that the first one's last layer can take its place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.first = nn.Sequential(nn.Conv2d(6, 6, 1, bias=False), nn.BatchNorm2d(6))
        self.second = nn.Sequential(nn.Conv2d(6, 6, 1, bias=False), nn.BatchNorm2d(6))
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.first(x)
        x = (x + self.second(x)).relu()
        return self.head(x.mean((2, 3)))


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
