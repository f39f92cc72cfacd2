"""A network beside its decomposition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edgekit.program.program import trace
from edgekit.runtimes.litert.decompose import LITERT
from edgekit.runtimes.litert.lowering import lowered
from edgekit.types import InputSpec

IMAGE = (6, 9, 11)
VOLUME = (4, 5, 6, 7)
LINE = (6, 20)
ROWS = (7, 12)

Function = Callable[[Tensor], Any]


class Call(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def exact(network: nn.Module, shape: tuple[int, ...]) -> None:
    """The decomposed program gives what PyTorch's own kernels give."""
    program = trace(network, (InputSpec(shape=shape),))
    decomposed = lowered(program, LITERT)
    assert decomposed is not program
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(1, *shape, generator=draw)
        with torch.no_grad():
            got = pytree.tree_leaves(decomposed.module(x))
            want = pytree.tree_leaves(network(x))
        for one, other in zip(got, want, strict=True):
            assert one.shape == other.shape
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
