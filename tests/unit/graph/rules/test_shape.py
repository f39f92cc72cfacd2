"""Operators that move, split and merge dimensions: groups found, cuts exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.graph.surgery import mask, shrink
from tests.unit.graph.small import (
    Between,
    Net,
    check_between,
    found,
)
from tests.unit.graph.test_surgery import drop, error, output


def test_squeeze_does_not_follow_a_width_down_to_one() -> None:
    def run(n: Net, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(n.one(x).relu(), 1)
        return n.last(x.squeeze(3).squeeze(2))

    graph = found(Net(run, one=nn.Conv2d(2, 6, 1), last=nn.Linear(6, 3)), 2, 4, 4)
    (group,) = graph.groups
    plan = drop([group], fraction=0.99)
    assert [len(units) for units in plan.kept.values()] == [1]
    x = torch.randn(4, 2, 4, 4)
    assert error(output(shrink(graph, plan), x), output(mask(graph, plan), x)) < 1e-5


CASES: dict[str, Between] = {
    "pixel shuffle": (16, lambda t: F.pixel_shuffle(t, 2), 4, {"one": (4, True)}),
    "pixel unshuffle": (8, lambda t: F.pixel_unshuffle(t, 2), 32, {"one": (8, True)}),
    "channel shuffle": (
        12, lambda t: F.channel_shuffle(t, 3), 12, {"one": (3, True), "one.2": (4, True)},
    ),
    "chunk and gate": (
        16, lambda t: t.chunk(2, 1)[0] * t.chunk(2, 1)[1].sigmoid(), 8, {"one": (8, True)},
    ),
    "split": (
        12,
        lambda t: torch.cat([t.split([4, 8], 1)[1], t.split([4, 8], 1)[0]], 1),
        12,
        {"one": (4, True), "one.2": (8, True)},
    ),
    "even and odd": (
        12, lambda t: torch.stack([t[:, ::2], -t[:, 1::2]], 2).flatten(1, 2), 12,
        {"one": (6, True)},
    ),
    "repeat": (6, lambda t: t.repeat(1, 3, 1, 1), 18, {"one": (6, True), "other": (3, True)}),
    "repeat_interleave": (
        6, lambda t: t.repeat_interleave(3, 1), 18, {"one": (6, True), "other": (3, True)},
    ),
    "pad": (6, lambda t: F.pad(t, (1, 1, 1, 1, 2, 3)), 11, {"one": (6, True), "other": (5, True)}),
    "permute": (6, lambda t: t.permute(0, 2, 3, 1).relu().movedim(3, 1), 6, {"one": (6, True)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_between_two_convolutions(name: str) -> None:
    check_between(CASES[name])
