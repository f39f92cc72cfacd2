"""Parts of small networks, and the registration of a module's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from edgekit.types import InputSpec
from tests.zoo.entry import Entry

Build = Callable[[], nn.Module]
IMG = ((3, 16, 16), "float32")
"""Shape without the batch, and dtype, of a small picture."""


class Net(nn.Module):
    """A module from parts by name and a function that runs them."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(self, x)


def conv_block(
    before: int, after: int, k: int = 3, s: int = 1, g: int = 1
) -> nn.Module:
    """Convolution, batch norm and a rectifier; `k` wide, with stride `s`, in `g` groups."""
    layer = nn.Conv2d(before, after, k, s, k // 2, groups=g, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())


def registry() -> tuple[dict[str, Entry], Callable[..., Callable[[Build], Build]]]:
    """An empty table, and a decorator that enters functions with (shape, dtype) by input."""
    entries: dict[str, Entry] = {}

    def case(*inputs: tuple[tuple[int, ...], str]) -> Callable[[Build], Build]:
        def enter(build: Build) -> Build:
            entries[build.__name__] = Entry(
                build=build,
                inputs=tuple(InputSpec(shape=shape) for shape, _ in inputs),
                dtypes=tuple(getattr(torch, dtype) for _, dtype in inputs),
                tokens=10,
            )
            return build

        return enter

    return entries, case
