"""Whatever a network runs at any batch size is traced for any, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from edgekit.program.program import load, trace
from edgekit.types import InputSpec

ROWS = (InputSpec(shape=(4, 6)),)


@dataclass
class Answer:
    scores: Tensor
    rest: Tensor | None = None


class Net(nn.Module):
    def __init__(self, compute: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 8)
        self.cell = nn.LSTMCell(6, 8)
        self.compute = compute

    def forward(self, *inputs: Tensor, **options: Any) -> Any:
        return self.compute(self, *inputs)


def number(net: Net, x: Tensor) -> Tensor:
    batch = int(x.shape[0])
    return net.layer(x).reshape(batch * 2, 16).reshape(batch, 32) + torch.zeros(
        batch, 1
    )


def limit(net: Net, x: Tensor) -> Tensor:
    y: Tensor = net.layer(x)
    return y * 1.0 if x.shape[0] > 4 else y


def loop(net: Net, x: Tensor) -> Tensor:
    hidden = x.new_zeros(x.shape[0], 8)
    state = torch.zeros_like(hidden)
    for place in range(x.shape[1]):
        hidden, state = net.cell(x[:, place], (hidden, state))
    return hidden


def structured(net: Net, x: Tensor) -> Answer:
    return Answer(scores=net.layer(x))


class Pair(NamedTuple):
    scores: Tensor
    count: int


def test_files_return_tensors_alone(tmp_path: Path) -> None:
    def compute(net: Net, x: Tensor) -> Any:
        y = net.layer(x)
        return {"pair": Pair(scores=y, count=3), "size": x.shape[1], "name": "net"}

    program = trace(Net(compute), ROWS)
    program.save(tmp_path / "net.pt2")
    found = load(tmp_path / "net.pt2").module(torch.zeros(3, 4, 6))
    assert list(found) == ["pair"]
    assert [tuple(part.shape) for part in found["pair"]] == [(3, 4, 8)]


@pytest.mark.parametrize("compute", [number, limit, loop, structured])
def test_any_batch_size(compute: Callable[..., Any]) -> None:
    network = Net(compute).eval()
    program = trace(network, ROWS)
    for batch in (1, 2, 3, 7):
        x = torch.randn(batch, 4, 6)
        found, expected = program.module(x), network(x)
        if isinstance(expected, Answer):
            found, expected = found["scores"], expected.scores
        torch.testing.assert_close(found, expected)


def one_way(net: Net, x: Tensor) -> Tensor:
    y: Tensor = net.layer(x)
    return y * 2 if x.shape[0] == 1 else y


def by_value(net: Net, x: Tensor) -> Tensor:
    y: Tensor = net.layer(x)
    return y if x.sum() > 0 else -y


def packed(net: Net, x: Tensor) -> Tensor:
    lengths = (x.abs().sum(-1) > 0).sum(1).clamp(min=1)
    rows = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    return nn.LSTM(6, 8, batch_first=True)(rows)[1][0]


def text(net: Net, x: Tensor) -> str:
    return "no tensor"


def unknown(net: Net, x: Tensor) -> Any:
    return type("Boxes", (), {"tensor": net.layer(x)})()
