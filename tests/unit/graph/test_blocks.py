"""Residual blocks that can be dropped."""

from __future__ import annotations

import pytest
import torch

from edgekit.graph.graph import analyze
from edgekit.graph.surgery import mask, shrink
from edgekit.program.program import trace
from edgekit.types import InputSpec, Plan
from tests.unit.graph.networks import CASES
from tests.unit.graph.test_surgery import Halves, drop, error, graph_of, output


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("resnet", ["3", "4", "5"]),
        ("transformer", ["qkv", "up"]),
        ("decoder", ["q", "gate"]),
        ("mlp", []),
    ],
)
def test_residual_blocks(name: str, blocks: list[str]) -> None:
    graph, x = graph_of(name), CASES[name].inputs()
    assert [block.id for block in graph.blocks] == blocks
    plan = drop((g for g in graph.groups if g.exact), fraction=0.3)
    for block in graph.blocks:
        one = Plan(kept=plan.kept, dropped_blocks=(block.id,))
        small = shrink(graph, one)
        assert not {n for n, _ in small.module.named_parameters()} & set(
            block.parameters
        )
        assert error(output(small, x), output(mask(graph, one), x)) < 1e-5
    every = Plan(kept=plan.kept, dropped_blocks=tuple(b.id for b in graph.blocks))
    small = shrink(graph, every)
    assert error(output(small, x), output(mask(graph, every), x)) < 1e-5
    assert analyze(small).blocks == ()


def test_a_rectifier_that_follows_a_dropped_block_is_not_left_alone() -> None:
    graph, x = graph_of("resnet"), CASES["resnet"].inputs()
    every = Plan(kept={}, dropped_blocks=tuple(b.id for b in graph.blocks))
    small = shrink(graph, every)
    rectifiers = small.module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.relu.default
    )
    assert len(rectifiers) == 1, "of the stem; the stream past it only moves its values"
    assert error(output(small, x), output(mask(graph, every), x)) < 1e-5


def test_a_block_on_a_part_of_a_split_can_go() -> None:
    graph = analyze(trace(Halves().eval(), (InputSpec(shape=(3, 4, 4)),)))
    plan = Plan(kept={}, dropped_blocks=tuple(b.id for b in graph.blocks))
    x = torch.randn(2, 3, 4, 4)
    assert len(plan.dropped_blocks) == 1
    assert error(output(shrink(graph, plan), x), output(mask(graph, plan), x)) < 1e-5
