"""Channels brought to equal ranges: the same answers, and no wide channel left."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgekit.export.equalization import equalized
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Middle(nn.Module):
    """Two convolutions with something between them; one channel there is 300 times as wide."""

    def __init__(self, between: nn.Module, reader: nn.Module | None = None) -> None:
        super().__init__()
        self.writer = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.between = between
        self.reader = reader or nn.Conv2d(8, 4, 1)
        with torch.no_grad():
            self.writer[1].weight[0] *= 300

    def forward(self, x: Tensor) -> Tensor:
        return self.reader(self.between(self.writer(x)))


class Beside(Middle):
    """The channels leave the network as well."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.between(self.writer(x))
        return self.reader(seen), seen


class Stream(Middle):
    """A sum reads the channels before the convolution does."""

    def forward(self, x: Tensor) -> Tensor:
        seen = self.between(self.writer(x))
        return self.reader(seen + 1)


class Twice(Middle):
    """Two layers read the channels, and one of them reads another thing besides."""

    def forward(self, x: Tensor) -> Tensor:
        seen = self.between(self.writer(x))
        return self.reader(seen) + self.reader(seen.flip(-1))


def samples() -> Tensor:
    return torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def program(network: nn.Module) -> Program:
    torch.manual_seed(0)
    return trace(network.eval(), (InputSpec(shape=(3, 8, 8)),))


def widths(found: Program) -> Tensor:
    """The largest magnitude of each channel behind the writer."""
    weights = dict(found.module.named_parameters())
    x = nn.functional.conv2d(
        samples(), weights["writer.0.weight"], weights["writer.0.bias"], padding=1
    )
    x = x * weights["writer.1.weight"].reshape(-1, 1, 1)
    return (x + weights["writer.1.bias"].reshape(-1, 1, 1)).relu().amax((0, 2, 3))


@pytest.mark.parametrize(
    ("between", "reader"),
    [
        (nn.ReLU(), nn.Conv2d(8, 4, 1)),
        (nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8)),
        (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), nn.Conv2d(8, 4, 3)),
        (
            nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            nn.Linear(8, 5),
        ),
    ],
    ids=["convolution", "depthwise", "pooled", "linear"],
)
def test_answers_stay_and_the_wide_channel_goes(
    between: nn.Module, reader: nn.Module
) -> None:
    whole = program(Middle(between, reader))
    found = equalized(whole, samples().numpy())
    assert found is not None
    with torch.no_grad():
        expected, got = whole.module(samples()), found.module(samples())
        before, after = widths(whole), widths(found)
    assert torch.allclose(got, expected, atol=1e-4 * float(expected.abs().max()))
    assert before.max() / before.median() > 100
    assert after.max() / after.median() < 30


@pytest.mark.parametrize(
    "network",
    [
        Middle(nn.SiLU()),
        Middle(nn.ReLU6()),
        Middle(nn.ReLU(), nn.Conv2d(8, 4, 1, groups=2)),
        Middle(nn.Sequential(nn.ReLU(), nn.Flatten(2)), nn.Linear(64, 5)),
        Beside(nn.ReLU()),
        Stream(nn.ReLU()),
        Twice(nn.ReLU()),
    ],
    ids=["silu", "relu6", "grouped", "positions", "output", "sum", "served twice"],
)
def test_what_would_change_answers_is_left_alone(network: nn.Module) -> None:
    assert equalized(program(network), samples().numpy()) is None


def test_the_network_that_is_given_is_not_touched() -> None:
    whole = program(Middle(nn.ReLU()))
    before = {n: p.clone() for n, p in whole.module.named_parameters()}
    equalized(whole, samples().numpy())
    after = dict(whole.module.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_channel_that_is_never_on_stays_as_it_is() -> None:
    network = Middle(nn.ReLU())
    with torch.no_grad():
        network.writer[1].weight[3] = 0
        network.writer[1].bias[3] = -1
    found = equalized(program(network), samples().numpy())
    assert found is not None
    parameters = dict(found.module.named_parameters())
    assert parameters["writer.1.bias"][3] == -1
    assert all(torch.isfinite(p).all() for p in parameters.values())
