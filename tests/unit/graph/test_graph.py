"""Results of the width graph: groups, their kinds and slots, extents and barriers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.graph.graph import WidthGraph, analyze
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.unit.graph.networks import CASES


def groups_of(name: str) -> dict[str, tuple[str, int, bool]]:
    graph = analyze(CASES[name].program())
    return {g.id: (g.kind, g.units, g.exact) for g in graph.groups}


def test_mlp() -> None:
    assert groups_of("mlp") == {"0": ("hidden", 16, True), "2": ("hidden", 12, True)}


def test_a_residual_stream_crosses_padded_channels() -> None:
    """8 channels in the middle come from the first stage, 8 around them are the second's own."""
    assert groups_of("resnet") == {
        "0": ("channel", 8, True),
        "3.conv1": ("channel", 8, True),
        "4.conv1": ("channel", 16, True),
        "4.conv2": ("channel", 8, True),
        "5.conv1": ("channel", 16, True),
    }


def test_heads_and_head_dimensions() -> None:
    for name in ("transformer", "unfused"):
        assert groups_of(name) == {
            "patches": ("embedding", 24, False),
            "qkv.head": ("head", 4, True),
            "qkv.head_dim": ("head_dim", 6, True),
            "up": ("hidden", 32, True),
        }


def test_recurrent_units_are_one_width_in_all_layers_and_directions() -> None:
    for name in ("lstm", "gru"):
        assert groups_of(name)["cells"] == ("recurrent", 10, True)


def test_an_unknown_operator_is_named_and_the_rest_is_pruned() -> None:
    graph = analyze(CASES["unknown"].program())
    assert [g.id for g in graph.groups] == ["first", "third"]
    (barrier,) = graph.barriers
    assert (barrier.operator, barrier.node) == ("renorm", "renorm")
    assert "no rule" in barrier.why


def graph_from(network: nn.Module, *shape: int) -> WidthGraph:
    return analyze(trace(network, (InputSpec(shape=shape),)))


def test_softmax_over_channels_counts_what_stays() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(F.softmax(self.one(x), -1))

    graph = graph_from(Gate(), 6)
    assert [(group.units, group.exact) for group in graph.groups] == [(8, False)]
    assert graph.barriers == ()


def test_a_convolution_over_channels_is_a_listed_barrier() -> None:
    """Efficient channel attention slides over the channels as if they were space."""

    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
            self.slide = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.one(x)
            gate = self.slide(x.mean((2, 3)).unsqueeze(1)).squeeze(1)
            return self.two(x * gate[:, :, None, None])

    graph = graph_from(Gate(), 3, 4, 4)
    assert graph.groups == ()
    assert {b.operator for b in graph.barriers} == {"conv1d"}
