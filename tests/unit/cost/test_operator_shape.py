"""Operators' costs and the tensors that count, read off the graph."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.cost.operator_shape import describe, groups_at, parameter_nodes
from edgekit.graph.graph import analyze
from edgekit.program.program import trace
from edgekit.types import InputSpec
from edgekit.types.operator_shape import OperatorShape, operator_of
from tests.unit.graph.networks import CASES
from tests.zoo.exactness import macs


class Product(nn.Module):
    def __init__(self, equation: str) -> None:
        super().__init__()
        self.equation = equation
        self.left, self.right = nn.Linear(6, 12), nn.Linear(6, 12)

    def forward(self, x: Tensor) -> Tensor:
        left, right = (
            part(x).unflatten(-1, (3, 4)) for part in (self.left, self.right)
        )
        return torch.einsum(self.equation, left, right)


@pytest.mark.parametrize(
    "equation", ["bqhd,bkhd->bhqk", "b q h d, b q h e -> b h d e", "bqhd,bkhd->bqk"]
)
def test_the_operations_of_an_einsum(equation: str) -> None:
    program = trace(Product(equation), (InputSpec(shape=(5, 6)),))
    graph = analyze(program)
    counted = sum(
        operator.macs
        for node in program.module.graph.nodes
        if (operator := describe(graph, node))
    )
    assert counted == macs(program, program.example(1))


class Recurrent(nn.Module):
    """A recurrent layer over sequences (batch, steps, features), in PyTorch's own order or not."""

    def __init__(self, kind: type[nn.RNNBase], *, batch_first: bool) -> None:
        super().__init__()
        self.layer = kind(5, 8, batch_first=batch_first, bidirectional=True)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        found, _ = self.layer(x if self.batch_first else x.transpose(0, 1))
        return found if self.batch_first else found.transpose(0, 1)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_a_recurrent_layer_counts_each_step_in_either_order(
    kind: type[nn.RNNBase], gates: int, batch_first: bool
) -> None:
    steps, directions = 12, 2
    layer = Recurrent(kind, batch_first=batch_first)
    graph = analyze(trace(layer, (InputSpec(shape=(steps, 5)),)))
    counted = sum(
        operator.macs
        for node in graph.program.module.graph.nodes
        if (operator := describe(graph, node))
    )
    # As one matrix of whole rows, which rounds.
    expected = steps * directions * gates * 8 * (5 + 8)
    assert counted == pytest.approx(expected, rel=0.02)


def test_a_tied_parameter_counts_once_under_the_name_in_use() -> None:
    graph = analyze(CASES["decoder"].program())
    names = [str(node.target) for node in parameter_nodes(graph)]
    assert "head.weight" in names and "embed.weight" not in names
    assert len(names) == 9
    assert all(node in graph.live for node in parameter_nodes(graph))


def test_a_cell_with_several_outputs_depends_on_its_inputs_groups() -> None:
    graph = analyze(CASES["lstm"].program())
    (cell,) = graph.program.module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.lstm.input
    )
    assert "cells" in groups_at(graph, cell)


class Shortcut(nn.Module):
    """The parameter-free shortcut of residual networks for small images."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        cut = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))
        return self.second(x) + nn.functional.pad(cut[..., :-1], (1, 0, 0, 0))


def test_strides_and_padding_have_a_cost_and_other_slices_none() -> None:
    program = trace(Shortcut(), (InputSpec(shape=(3, 12, 10)),))
    graph = analyze(program)
    found = [describe(graph, node) for node in program.module.graph.nodes]
    moves = [one for one in found if one is not None and one.kind in ("slice", "pad")]
    common = {"inputs": 8, "outputs": 8}
    assert moves == [
        OperatorShape(kind="slice", size=(12, 10), stride=(2, 1), **common),
        OperatorShape(kind="slice", size=(6, 10), stride=(1, 2), **common),
        OperatorShape(kind="pad", inputs=8, outputs=16, size=(6, 5)),
        OperatorShape(kind="pad", inputs=16, outputs=16, size=(6, 4), padding=(0, 1)),
    ]
    assert [one.output_size for one in moves] == [(6, 10), (6, 5), (6, 5), (6, 6)]
    assert not any(one.macs for one in moves)


class Attending(nn.Module):
    """One block of a transformer, its queries, keys and values from one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(24)
        self.split = nn.Linear(24, 3 * (8 + 8 + 6))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.split(self.norm(x)).split([24, 24, 18], -1)
        heads = [part.unflatten(-1, (3, -1)).transpose(1, 2) for part in parts]
        return F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


def test_attention_and_norm_are_operators_of_their_own() -> None:
    program = trace(Attending(), (InputSpec(shape=(5, 24)),))
    graph = analyze(program)
    found = {
        operator.kind: operator
        for node in program.module.graph.nodes
        if (operator := describe(graph, node))
    }
    assert found["layer_norm"] == OperatorShape(
        kind="layer_norm", inputs=24, outputs=24, size=(5, 1)
    )
    attention = OperatorShape(
        kind="attention", inputs=14, outputs=14, size=(5, 5), groups=3
    )
    assert found["attention"] == attention
    assert attention.macs == 3 * 5 * 5 * (8 + 6)
    assert operator_of(attention.key) == attention
    assert sum(one.macs for one in found.values()) == macs(program, program.example(1))
