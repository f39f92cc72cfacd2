"""Elementwise operators, pooling and resizing: groups found, cuts exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.graph.surgery import mask, shrink
from edgekit.types import Plan
from tests.unit.graph.small import (
    Between,
    Net,
    check,
    check_between,
    found,
    widths,
)
from tests.unit.graph.test_surgery import error, output


def test_layer_scale_and_a_parameter_used_twice() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = n.one(x)
        for _ in range(2):
            x = x + n.scale * n.down(n.up(x).relu())
        return n.head(x)

    sizes = {"one": (5, 8), "up": (8, 12), "down": (12, 8), "head": (8, 3)}
    layers = {name: nn.Linear(*size) for name, size in sizes.items()}
    graph = found(Net(run, **layers, scale=torch.rand(8) + 0.5), 5)
    assert widths(graph) == {"one": (8, True), "up": (12, True)}
    assert len(graph.blocks) == 2
    check(graph)


def test_an_in_place_operator_after_a_dropped_block_spares_the_stream() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = n.one(x)
        y = (x + n.two(x)).relu_()
        return n.last(torch.cat([x, y], 1))

    layers = {"one": nn.Linear(5, 8), "two": nn.Linear(8, 8), "last": nn.Linear(16, 3)}
    graph = found(Net(run, **layers), 5)
    plan = Plan(kept={}, dropped_blocks=("two",))
    x = torch.randn(4, 5)
    assert error(output(shrink(graph, plan), x), output(mask(graph, plan), x)) < 1e-5


CASES: dict[str, Between] = {
    "glu": (16, lambda t: F.glu(t, 1), 8, {"one": (8, True)}),
    "upsample": (6, lambda t: F.interpolate(t, scale_factor=2), 6, {"one": (6, True)}),
    "bilinear": (
        6, lambda t: F.interpolate(t, size=(7, 7), mode="bilinear"), 6, {"one": (6, True)},
    ),
    "pooling": (6, lambda t: F.avg_pool2d(t, 2) + F.max_pool2d(t, 2), 6, {"one": (6, True)}),
    "adaptive": (6, lambda t: F.adaptive_max_pool2d(t, 2), 6, {"one": (6, True)}),
    "clamp": (6, lambda t: t.clamp(0.2, 2).masked_fill(t > 1, 3.0), 6, {"one": (6, True)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_between_two_convolutions(name: str) -> None:
    check_between(CASES[name])
