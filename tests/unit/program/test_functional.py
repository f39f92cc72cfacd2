"""Writes in place become new values: the same outputs, and a network that trains."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.modes import set_training
from edgekit.program.program import trace
from edgekit.types import InputSpec

ROWS = (InputSpec(shape=(4, 6)),)


class Writes(nn.Module):
    def __init__(self, write: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.part = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.write = write

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.write(self, self.first(x).tanh()))


def slice_of(net: nn.Module, y: Tensor) -> Tensor:
    y[..., :4] = net.part(y[..., :4])
    return y


def steps(net: nn.Module, y: Tensor) -> Tensor:
    y[..., ::2] = net.part(y[..., 1::2])
    return y


def rows(net: nn.Module, y: Tensor) -> Tensor:
    out = torch.zeros(y.shape[0], y.shape[1], 4)
    for place in range(y.shape[1]):
        out[:, place] = net.part(y[:, place, :4])
    return out


def halves(net: nn.Module, y: Tensor) -> Tensor:
    y = y.clone()
    first, second = y.chunk(2, -1)
    second += net.part(first)
    return y


def turned(net: nn.Module, y: Tensor) -> Tensor:
    turned = y.transpose(1, 2)
    turned[:, :4].mul_(2)
    turned.permute(0, 2, 1)[:, 0] = 1.5
    return y + net.part(y[..., :4]).sum(-1, keepdim=True)


def shaped(net: nn.Module, y: Tensor) -> Tensor:
    blocks = y.view(-1, 4, 2, 4)
    blocks[:, :, 1] = net.part(blocks[:, :, 0])
    blocks.unsqueeze(0)[0, :, 0].clamp_(min=0)
    return y


def chosen(net: nn.Module, y: Tensor) -> Tensor:
    y[y < 0.1] = 0
    y[:, [0, 2]] *= 2
    y.masked_fill_(y > 0.9, 0.5)
    return y + net.part(y[..., :4]).sum(-1, keepdim=True)


def chained(net: nn.Module, y: Tensor) -> Tensor:
    kept = y
    y = torch.relu_(y).mul_(2)
    y += net.part(y[..., :4]).sum(-1, keepdim=True)
    return kept.clamp_(0, 3)


WRITES = (slice_of, steps, rows, halves, turned, shaped, chosen, chained)


@pytest.mark.parametrize("write", WRITES, ids=lambda w: w.__name__)
def test_the_same_is_computed_and_trains(
    write: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    network = Writes(write).eval()
    program = trace(network, ROWS)
    for batch in (1, 5):
        x = torch.randn(batch, 4, 6)
        with torch.no_grad():
            torch.testing.assert_close(program.module(x), network(x))
    names = [str(node.target) for node in program.module.graph.nodes]
    assert not [name for name in names if name.partition(".default")[0].endswith("_")]
    set_training(program.module, True)
    program.module(torch.randn(5, 4, 6)).square().sum().backward()
    assert all(p.grad is not None for p in program.module.parameters())


def test_an_input_is_not_written_into() -> None:
    class Input(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x -= 1
            x[:, 0] = 0
            return x * 2

    x = torch.randn(3, 4, 6)
    before = x.clone()
    found = trace(Input(), ROWS).module(x)
    assert torch.equal(x, before)
    torch.testing.assert_close(found, Input()(x))


def test_buffers_are_state_of_the_network() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.seen += 1
            return x * self.seen

    program = trace(Counts(), ROWS)
    x = torch.ones(2, 4, 6)
    assert [float(program.module(x)[0, 0, 0]) for _ in range(3)] == [1, 2, 3]


def test_a_write_that_cannot_be_undone_is_refused_by_layer() -> None:
    class Diagonal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x @ x.transpose(1, 2)
            y.diagonal(dim1=1, dim2=2).zero_()
            return y

    with pytest.raises(ModelError, match=r"layer '0' writes in place.*diagonal"):
        trace(nn.Sequential(Diagonal()), ROWS)
