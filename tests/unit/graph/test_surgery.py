"""Cutting equals masking, on every network and for random plans."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache

import pytest
import torch
from torch import Tensor

from edgekit.errors import UsageError
from edgekit.graph.graph import Group, WidthGraph, analyze
from edgekit.graph.surgery import mask, shrink, shrink_shared
from edgekit.program.program import Program, load, set_training
from edgekit.types import Plan
from tests.unit.graph.networks import CASES

NAMES = sorted(CASES)


@cache
def graph_of(name: str) -> WidthGraph:
    return analyze(CASES[name].program())


def drop(groups: Iterable[Group], fraction: float = 0.4, seed: int = 0) -> Plan:
    draw = random.Random(seed)
    return Plan(
        kept={
            g.id: tuple(
                sorted(
                    draw.sample(range(g.units), max(1, round(g.units * (1 - fraction))))
                )
            )
            for g in groups
        }
    )


def output(program: Program, x: Tensor) -> Tensor:
    with torch.no_grad():
        result: Tensor = program.module(x)
    return result


def error(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


def size(program: Program) -> int:
    return sum(p.numel() for p in program.module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_cut_equals_masked(name: str) -> None:
    graph, x = graph_of(name), CASES[name].inputs()
    before = output(graph.program, x)
    for seed in range(3):
        plan = drop((g for g in graph.groups if g.exact), seed=seed)
        assert plan.kept
        small = shrink(graph, plan)
        assert size(small) < size(graph.program)
        assert error(output(small, x), output(mask(graph, plan), x)) < 1e-5
        assert error(output(small, x), before) > 1e-4


@pytest.mark.parametrize("name", ["mobile", "decoder", "transformer", "lstm", "resnet"])
def test_each_group_alone(name: str) -> None:
    graph, x = graph_of(name), CASES[name].inputs()
    for group in graph.groups:
        plan = drop([group], fraction=0.5)
        small = output(shrink(graph, plan), x)
        if group.exact:
            assert error(small, output(mask(graph, plan), x)) < 1e-5, group.id
        else:
            assert torch.isfinite(small).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_unit_may_stay(name: str) -> None:
    graph, x = graph_of(name), CASES[name].inputs()
    plan = Plan(kept={g.id: (g.units - 1,) for g in graph.groups})
    small = shrink(graph, plan)
    assert output(small, x).shape == output(graph.program, x).shape
    assert analyze(small).groups == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_untouched(name: str) -> None:
    graph = graph_of(name)
    before = graph.program.fingerprint()
    shapes = [str(n.meta.get("val")) for n in graph.program.module.graph.nodes]
    small = shrink(graph, drop(graph.groups))
    with torch.no_grad():
        for tensor in (*small.module.parameters(), *small.module.buffers()):
            tensor.zero_()
    assert graph.program.fingerprint() == before
    after = [str(n.meta.get("val")) for n in graph.program.module.graph.nodes]
    assert after == shapes


@pytest.mark.parametrize("name", NAMES)
def test_the_result_trains_saves_and_is_cut_again(name: str, tmp_path) -> None:
    graph, x = graph_of(name), CASES[name].inputs(5)
    small = shrink(graph, drop(graph.groups, fraction=0.25))
    small.save(tmp_path / "small.pt2")
    again = load(tmp_path / "small.pt2")
    assert error(output(again, x), output(small, x)) < 1e-6
    assert output(again, x[:1]).shape[0] == 1

    smaller = analyze(again)
    assert smaller.groups
    plan = drop((g for g in smaller.groups if g.exact), fraction=0.3)
    cut = output(shrink(smaller, plan), x)
    assert error(cut, output(mask(smaller, plan), x)) < 1e-5

    set_training(small.module, True)
    loss = small.module(x).square().mean()
    loss.backward()
    used = [p for p in small.module.parameters() if p.grad is not None]
    assert used and all(torch.isfinite(p.grad).all() for p in used)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_only_run_has_the_given_parameters_that_stay_whole(name: str) -> None:
    graph, x = graph_of(name), CASES[name].inputs()
    plan = drop(graph.groups[:1])
    own, shared = shrink(graph, plan), shrink_shared(graph, plan)
    torch.testing.assert_close(output(shared, x), output(own, x), rtol=0, atol=0)
    given = {id(p): p for p in graph.program.module.parameters()}
    assert not any(id(p) in given for p in own.module.parameters())
    for parameter in shared.module.parameters():
        whole = [p for p in given.values() if torch.equal(p, parameter)]
        assert not whole or id(parameter) in given
    buffers = set(map(id, graph.program.module.buffers()))
    assert not any(id(b) in buffers for b in shared.module.buffers())


def test_a_training_step_leaves_the_teacher_alone() -> None:
    graph = graph_of("mlp")
    before = graph.program.fingerprint()
    small = shrink(graph, Plan(kept={}))
    optimizer = torch.optim.SGD(small.module.parameters(), lr=0.1)
    small.module(CASES["mlp"].inputs()).sum().backward()
    optimizer.step()
    assert graph.program.fingerprint() == before


def test_release_frees_the_original() -> None:
    graph, x = analyze(CASES["decoder"].program()), CASES["decoder"].inputs()
    plan = drop(graph.groups)
    expected = output(shrink(graph, plan), x)
    small = shrink(graph, plan, release=True)
    assert torch.equal(output(small, x), expected)
    assert size(graph.program) == 0


def test_tied_parameters_stay_tied() -> None:
    graph = graph_of("decoder")
    small = shrink(graph, drop(graph.groups)).module
    weights = [p for n, p in small.named_parameters() if p.shape[0] == 11]
    assert len(weights) == 1


def test_a_plan_for_another_network_is_refused() -> None:
    graph = graph_of("mlp")
    with pytest.raises(UsageError, match=r"No group 'conv1' to prune. Groups: 0, 2"):
        shrink(graph, Plan(kept={"conv1": (0,)}))
    with pytest.raises(UsageError, match=r"Keep at least one of 0 to 15"):
        shrink(graph, Plan(kept={"0": ()}))
    with pytest.raises(UsageError, match=r"Keep at least one of 0 to 15"):
        shrink(graph, Plan(kept={"0": (16,)}))


class Halves(torch.nn.Module):
    """A block on one half of a split."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = torch.nn.Conv2d(3, 8, 1)
        self.inner = torch.nn.Conv2d(4, 4, 1)
        self.head = torch.nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.wide(x).chunk(2, 1)
        return self.head(torch.relu(one + self.inner(one))) * other.mean()
