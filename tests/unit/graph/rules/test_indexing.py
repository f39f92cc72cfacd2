"""Operators that index: groups found, cuts exact."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.unit.graph.small import (
    Between,
    Net,
    check,
    check_between,
    found,
    widths,
)


def test_relative_position_bias() -> None:
    index = torch.arange(36).reshape(6, 6) % 11

    def run(n: Net, x: Tensor) -> Tensor:
        q, k, v = n.qkv(x).unflatten(-1, (3, 4, 2)).permute(2, 0, 3, 1, 4)
        bias = n.table[index.flatten()].view(6, 6, 4).permute(2, 0, 1).contiguous()
        weights = (q @ k.transpose(-2, -1) + bias.unsqueeze(0)).softmax(-1)
        return n.out((weights @ v).transpose(1, 2).flatten(2))

    layers = {
        "qkv": nn.Linear(5, 24),
        "table": torch.randn(11, 4),
        "out": nn.Linear(8, 5),
    }
    graph = found(Net(run, **layers), 6, 5)
    assert widths(graph) == {"qkv.head": (4, True), "qkv.head_dim": (2, True)}
    assert any(s.parameter == "table" for s in graph.groups[0].slots)
    check(graph)


CASES: dict[str, Between] = {
    "slice": (12, lambda t: t[:, 4:10], 6, {"one": (6, True), "one.2": (6, True)}),
    "narrow": (12, lambda t: t.narrow(1, 2, 6), 6, {"one": (6, True), "one.2": (6, True)}),
    "select": (8, lambda t: t * t[:, 3:4], 8, {"one": (7, True)}),
    "pick": (8, lambda t: t * t[:, 3].unsqueeze(1), 8, {"one": (7, True)}),
    "flip": (6, lambda t: t.flip(1), 6, {"one": (6, True)}),
    "roll": (6, lambda t: t.roll(1, 1), 6, {}),
    "index": (6, lambda t: t[:, [3, 1, 2, 0, 5, 4]], 6, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_between_two_convolutions(name: str) -> None:
    check_between(CASES[name])
