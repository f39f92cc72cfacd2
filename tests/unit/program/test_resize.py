"""A network at other sizes of its images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.errors import ModelError
from edgekit.program.program import Program, trace
from edgekit.program.resize import at_size, enlarging, size_of, smaller_sizes
from edgekit.types import InputSpec


class Pooled(nn.Module):
    """Averages over the whole map, as many networks write it for their own size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.first(x)).relu()
        return self.head(F.avg_pool2d(x, x.shape[-1]).flatten(1))


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 2, 1)
        self.head = nn.Linear(2 * 16 * 16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).flatten(1))


class Regrouped(nn.Module):
    """A view by the size, which makes other rows of another one."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = F.max_pool2d(self.body(x), 4)
        return self.head(pooled.reshape(-1, 64))


def traced(module: nn.Module, *shape: int) -> Program:
    torch.manual_seed(0)
    return trace(module.eval(), (InputSpec(shape=shape or (3, 16, 16)),))


def test_a_network_gives_what_its_author_s_module_gives_at_that_size() -> None:
    torch.manual_seed(0)
    module = Pooled().eval()
    program = trace(module, (InputSpec(shape=(3, 16, 16)),))
    smaller = at_size(program, (12, 12))
    assert smaller.inputs[0].shape == (3, 12, 12) and size_of(smaller) == (12, 12)
    x = torch.randn(5, 3, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(smaller.module(x), module(x))
    assert dict(smaller.module.named_parameters()).keys() == {
        *dict(program.module.named_parameters())
    }


def test_an_enlarging_network_sees_its_own_size() -> None:
    program = traced(Pooled())
    teacher = enlarging(program, (12, 12))
    x = torch.randn(3, 3, 12, 12)
    with torch.no_grad():
        own = program.module(F.interpolate(x, (16, 16), mode="bilinear"))
        torch.testing.assert_close(teacher.module(x), own)


@pytest.mark.parametrize(
    ("module", "side", "words"),
    [
        (Flat, 8, r"8 x 8: layer 'head' holds its own size \(mat1 and mat2"),
        (Regrouped, 8, r"the network's own forward\(\) holds its own size \(shape"),
        (Regrouped, 32, r"its own size \(it gives \[8, 4\], not \[2, 4\]\)"),
    ],
)
def test_a_layer_that_holds_the_size_is_named(
    module: Any, side: int, words: str
) -> None:
    with pytest.raises(ModelError, match=words) as said:
        at_size(traced(module()), (side, side))
    assert "\n" not in str(said.value)


def test_sizes_are_multiples_of_the_stride() -> None:
    assert smaller_sizes(traced(Pooled())) == [(14, 14), (12, 12), (10, 10), (8, 8)]
    deep = nn.Sequential(
        *(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
    )
    assert smaller_sizes(traced(deep, 3, 96, 64)) == [(80, 48), (64, 48), (48, 32)]


def test_listed_sizes_are_heights_with_the_width_in_proportion() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1))
    program = traced(network, 3, 24, 32)
    assert smaller_sizes(program, [30, 12, 18]) == [(18, 24), (12, 16)]


def test_other_inputs_have_no_size() -> None:
    with pytest.raises(ModelError, match="one image"):
        size_of(traced(nn.Linear(6, 2), 6))
