"""Every operator of a network as a network of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgekit.export.alone import Alone, name_of, operators
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return torch.fft.rfft(x.sort(dim=1).values).abs()


def network() -> Program:
    torch.manual_seed(0)
    return trace(Net(), (InputSpec(shape=(4,)),))


def named(found: list[Alone]) -> dict[str, Alone]:
    return {name_of(one.node): one for one in found}


def test_one_of_each_kind_runs_alone_with_its_constants() -> None:
    found = operators(network())
    kinds = [name_of(one.node) for one in found]
    assert sorted(kinds) == ["abs", "fft_rfft", "linear", "relu", "sort"]
    alone = named(found)
    x = torch.tensor([[[-1.0, 2.0, -3.0, 4.0]]])
    assert alone["relu"].program.module(x)[0].tolist() == [[0, 2, 0, 4]]
    values = alone["sort"].program.module(x)[0]
    assert values.tolist() == [[-3, -1, 2, 4]]
    torch.manual_seed(0)
    layer = Net().first
    [made] = alone["linear"].program.module(x)
    torch.testing.assert_close(made, layer(x[0]))


def test_complex_numbers_go_in_and_out_as_pairs() -> None:
    alone = named(operators(network()))
    x = torch.randn(1, 1, 4)
    [pairs] = alone["fft_rfft"].program.module(x)
    assert pairs.shape == (1, 3, 2)
    [size] = alone["abs"].program.module(pairs[None])
    torch.testing.assert_close(size, torch.fft.rfft(x[0]).abs())


def test_operators_that_a_failure_names_come_first() -> None:
    found = operators(network(), "Unsupported: aten::sort of 1 tensor")
    assert name_of(found[0].node) == "sort"
