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
