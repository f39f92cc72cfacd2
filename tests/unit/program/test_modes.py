"""Only flags that follow the mode of the author's network are switched."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, Self

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgekit.errors import ModelError
from edgekit.program.modes import note_modes, noted, refuse_random, set_training
from edgekit.program.program import Program, from_exported, load, trace
from edgekit.program.tracing import export
from edgekit.types import InputSpec

MAP = (InputSpec(shape=(3, 6, 6)),)


class Deliberate(nn.Module):
    """Noise at inference as in training, beside dropout and batch norm of training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.frozen = nn.BatchNorm2d(4)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.norm(self.frozen(self.conv(x))))
        return functional.dropout(x.mean((2, 3)), 0.25, training=True)


def flags(program: Program) -> list[bool]:
    """In the order of `forward`: frozen norm, norm, dropout, deliberate dropout."""
    position = {"aten.batch_norm.default": 5, "aten.dropout.default": 2}
    nodes = program.module.graph.nodes
    return [n.args[position[str(n.target)]] for n in nodes if str(n.target) in position]


def switched(program: Program) -> list[list[bool]]:
    found = []
    for mode in (True, False):
        set_training(program.module, mode)
        found.append(flags(program))
    return found


EXPECTED = [[False, True, True, True], [False, False, False, True]]


def test_flags_that_are_meaning_stay(tmp_path: Path) -> None:
    program = trace(Deliberate(), MAP)
    assert flags(program) == EXPECTED[1]
    assert switched(program.copy()) == EXPECTED
    program.save(tmp_path / "net.pt2")
    assert switched(load(tmp_path / "net.pt2")) == EXPECTED
    assert switched(from_exported(program.exported())) == EXPECTED


def test_random_numbers_at_inference_are_refused_with_their_layer() -> None:
    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    for noise, name in (
        (nn.Sequential(nn.Flatten(), Inner()), r"layer '1' draws .*\(randn_like\)"),
        (Deliberate(), r"forward\(\) draws .*\(dropout\)"),
    ):
        with pytest.raises(ModelError, match=name):
            refuse_random(trace(noise, MAP).module.graph)
    quiet = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.RReLU())
    refuse_random(trace(quiet, MAP).module.graph)
    attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True).eval()

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention
            self.cell = nn.LSTM(4, 4, 2, dropout=0.5, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            x, _ = self.cell(x)
            return self.attention(x, x, x, need_weights=False)[0]

    refuse_random(trace(Attending(), (InputSpec(shape=(5, 4)),)).module.graph)


class Branching(nn.Module):
    """Another path in training, which also needs what inference does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        if self.training:
            assert target is not None
        return functional.dropout(self.drop(self.norm(x)), 0.25)


def test_a_network_that_trains_another_way_still_reports_its_layers() -> None:
    program = trace(Branching(), MAP)
    assert switched(program) == [[True, True, True], [False, False, True]]


@pytest.mark.parametrize(
    "layer",
    [
        nn.RReLU(),
        nn.RReLU(inplace=True),
        nn.AlphaDropout(0.4),
        nn.FeatureAlphaDropout(0.4),
        nn.Dropout2d(0.4),
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, momentum=None),
        nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    ],
    ids=repr,
)
def test_layers_train_and_infer(layer: nn.Module) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Conv2d(4, 2, 1)).eval()
    x = torch.randn(4, 3, 6, 6)
    expected = network(x)
    program = trace(network, MAP)
    set_training(program.module, True)
    assert not torch.allclose(program.module(x), expected), "training differs"
    set_training(program.module, False)
    moved = [b for b in program.module.buffers() if b.is_floating_point()]
    changed = program.module(x)
    assert torch.allclose(changed, expected) != bool(moved), "only statistics move"


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.BatchNorm2d(4, track_running_stats=False, momentum=None, affine=False),
    ],
)
def test_statistics_of_the_batch_are_refused_by_name(norm: nn.Module) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(norm, nn.ReLU()))
    with pytest.raises(
        ModelError, match=r"layer '1\.0'.*track_running_stats"
    ) as caught:
        trace(network, MAP)
    assert "\n" not in str(caught.value)


def test_an_export_in_training_mode_is_switched_to_evaluation() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    batch = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(
        network.train(), (torch.randn(2, 3, 6, 6),), dynamic_shapes=batch
    )
    program = from_exported(exported)
    x = torch.randn(3, 3, 6, 6)
    torch.testing.assert_close(program.module(x), network.eval()(x))
    assert switched(program) == [[True, True], [False, False]]


class Freezing(nn.Module):
    """Frozen by `forward` itself, in training too; the rest is run twice, once by another name."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.norm = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.again = self.norm
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        self.frozen.eval()
        x = self.again(self.norm(self.frozen(x)))
        return self.drop(x)


class Repeating(nn.Module):
    """Drops twice where it trains, and a third time in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.norm(x))
        return self.drop(x) if self.training else x


class Unlike(nn.BatchNorm2d):
    """A batch norm that trains and infers alike."""

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.running_mean, self.running_var
        return functional.batch_norm(x, mean, var, self.weight, self.bias)


@pytest.mark.parametrize(
    ("network", "trained"),
    [
        (Freezing(), [False, True, True, True]),
        (Repeating(), [True, True]),
        (nn.Sequential(Unlike(3), nn.Dropout()), [False, True]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_each_layer_trains_as_its_author_has_it(
    network: nn.Module, trained: list[bool]
) -> None:
    network.train()
    assert switched(trace(network, MAP)) == [trained, [False] * len(trained)]


def test_known_layers_need_no_second_trace() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).eval()
    example = (torch.randn(2, 3, 6, 6),)
    graph = export(network, example, dynamic=False).graph

    def refuse(_network: nn.Module) -> NoReturn:
        raise AssertionError("traced again")

    before = {name: value.clone() for name, value in network.state_dict().items()}
    note_modes(graph, network, example, refuse)
    assert noted(graph), "every flag"
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
