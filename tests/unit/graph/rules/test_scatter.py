"""Operators that write at indices: groups found."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.unit.graph.small import Net, check, found, widths


def test_rows_added_at_places_leave_channels_free() -> None:
    index = torch.tensor([0, 2, 2, 1])

    def run(n: Net, x: Tensor) -> Tensor:
        y = n.one(x)
        return n.last(torch.zeros_like(y).index_add(1, index, y))

    graph = found(Net(run, one=nn.Linear(5, 6), last=nn.Linear(6, 3)), 4, 5)
    assert widths(graph) == {"one": (6, True)}
    check(graph)


def test_a_scatter_over_channels_is_a_barrier() -> None:
    index = torch.tensor([[1, 0, 2, 3, 5, 4]])

    def run(n: Net, x: Tensor) -> Tensor:
        y = n.one(x)
        return n.last(torch.zeros_like(y).scatter(1, index.expand(len(y), -1), y))

    graph = found(Net(run, one=nn.Linear(5, 6), last=nn.Linear(6, 3)), 5)
    assert "one" not in widths(graph)
    assert graph.barriers
