"""What the width graph finds: groups, their kinds and slots, extents and barriers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.graph.graph import Extent, WidthGraph, analyze
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


def test_depthwise_grouped_and_gated_channels() -> None:
    assert groups_of("mobile") == {
        "stem.group": ("group", 4, True),
        "stem": ("channel", 2, True),
        "expand": ("channel", 24, True),
        "squeeze": ("channel", 6, True),
        "grouped": ("channel", 3, True),
        "branch": ("channel", 6, True),
    }


def test_heads_and_head_dimensions() -> None:
    for name in ("transformer", "unfused"):
        assert groups_of(name) == {
            "patches": ("embedding", 24, False),
            "qkv.head": ("head", 4, True),
            "qkv.head_dim": ("head_dim", 6, True),
            "up": ("hidden", 32, True),
        }


def test_query_heads_share_key_heads_and_rotary_pairs_go_together() -> None:
    assert groups_of("decoder") == {
        "head": ("embedding", 32, False),
        "q.head": ("head", 2, True),
        "q.head.2": ("head", 2, True),
        "q.head_dim": ("head_dim", 4, True),
        "v.head_dim": ("head_dim", 8, True),
        "gate": ("hidden", 40, True),
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


def test_slots_say_which_units_an_index_needs() -> None:
    graph = analyze(CASES["transformer"].program())
    (heads,) = (g for g in graph.groups if g.id == "qkv.head")
    slots = {(s.parameter, s.dim): s.units for s in heads.slots}
    assert slots["project.weight", 1] == tuple((i // 6,) for i in range(24))
    assert slots["qkv.weight", 0] == tuple((i // 6 % 4,) for i in range(72))


def test_extents_are_polynomials_in_the_widths() -> None:
    graph = analyze(CASES["multihead"].program())
    nodes = {n.name: n for n in graph.program.module.graph.nodes}
    batch, length, width = graph.extents(nodes["linear_1"])
    assert batch.terms == ((5, ()),) and length.terms == ((1, ()),)
    head, dim = "attention.head", "attention.head_dim"
    assert width.terms == ((3, (head, dim)),)
    assert width.at({}) == 48
    assert width.at({head: 3, dim: 2}) == 3 * 3 * 2
    assert graph.shape(nodes["linear_1"], {head: 1}) == (5, 1, 12)


def test_an_extent_knows_full_widths() -> None:
    extent = Extent(terms=((2, ("a", "b")), (7, ())), full={"a": 3, "b": 5})
    assert extent.at({}) == 37 and extent.at({"a": 1}) == 17


def graph_from(network: nn.Module, *shape: int) -> WidthGraph:
    return analyze(trace(network, (InputSpec(shape=shape),)))


def test_what_meets_the_input_or_output_stays() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(x + self.one(x))

    assert graph_from(Skip(), 6).groups == ()


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


def test_parameters_nothing_uses_are_left_out() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 8), nn.Linear(8, 4)
            self.spare = nn.Parameter(torch.zeros(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x))

    (group,) = graph_from(Spare(), 6).groups
    assert {slot.parameter for slot in group.slots} == {
        "one.weight",
        "one.bias",
        "two.weight",
    }
