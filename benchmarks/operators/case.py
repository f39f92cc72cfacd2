"""A network of one operator, what it takes, and the list of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and what it takes: shapes without the batch, integers below `below`."""

    build: Callable[[], nn.Module]
    shapes: tuple[Shape, ...]
    below: tuple[int | None, ...]
    """For each input: `None` where it is of floats, else what its integers are below."""

    def network(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.build().eval()

    def sample(self, seed: int) -> tuple[Tensor, ...]:
        """Seeded inputs with a batch of one."""
        draw = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(1, *shape, generator=draw)
            if below is None
            else torch.randint(below, (1, *shape), generator=draw)
            for shape, below in zip(self.shapes, self.below, strict=True)
        )


class Call(nn.Module):
    """A function of tensors as a network."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class Call2(nn.Module):
    """A function of two tensors."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, y: Tensor) -> Any:
        return self.function(x, y)


class Call3(nn.Module):
    """A function of three tensors."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Any:
        return self.function(x, y, z)


class Returned(nn.Module):
    """One output of a module that returns several."""

    def __init__(self, module: nn.Module, pick: Callable[[Any], Any]) -> None:
        super().__init__()
        self.module, self.pick = module, pick

    def forward(self, x: Tensor) -> Any:
        return self.pick(self.module(x))


CASES: dict[str, Case] = {}
IMAGE = (6, 9, 11)
EVEN = (4, 8, 8)
ROWS = (7, 12)
LINE = (6, 20)


def add(name: str, build: Callable[[], nn.Module], *shapes: Shape) -> None:
    assert name not in CASES, name
    CASES[name] = Case(build=build, shapes=shapes, below=(None,) * len(shapes))


def of(name: str, function: Callable[..., Any], *shapes: Shape) -> None:
    kinds: dict[int, Callable[[Callable[..., Any]], nn.Module]]
    kinds = {1: Call, 2: Call2, 3: Call3}
    kind = kinds[len(shapes)]
    add(name, lambda: kind(function), *shapes)


def whole(
    name: str, function: Callable[[Tensor], Any], shape: Shape, below: int
) -> None:
    """A function of integers."""
    assert name not in CASES, name
    CASES[name] = Case(build=lambda: Call(function), shapes=(shape,), below=(below,))
