"""Peak memory of activations, against sums written out here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.prune.activations import peak_bytes, steps
from edgekit.types import InputSpec


class Net(nn.Module):
    """A stream that waits while a wider branch is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.wide = nn.Conv2d(4, 16, 1)
        self.back = nn.Conv2d(16, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).relu()
        return self.head((y + self.back(self.wide(y).relu())).mean((2, 3)))


def graph() -> WidthGraph:
    torch.manual_seed(0)
    return analyze(trace(Net().eval(), (InputSpec(shape=(3, 8, 8)),)))


def test_the_widest_moment_holds_the_stream_and_both_sides_of_an_operator() -> None:
    found = graph()
    together = steps(found)
    # `y` waits, `wide(y)` is read (a ReLU shares its buffer), and `back` is written.
    assert peak_bytes(found, together, {}) == 4 * 64 * (4 + 16 + 4)


def test_a_narrower_width_takes_less() -> None:
    found = graph()
    together = steps(found)
    [wide] = [group for group in found.groups if group.units == 16]
    # Both sides of the addition and its result, which no width of the branch changes.
    assert peak_bytes(found, together, {wide.id: 2}) == 4 * 64 * (4 + 4 + 4)
