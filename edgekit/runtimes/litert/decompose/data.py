"""Shared parts of decompositions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing


def constant(make: Callable[[], Tensor]) -> Tensor:
    """A tensor that no input decides, as data of the file and not as operators."""
    with disable_proxy_modes_tracing():
        return make()


def each(value: Sequence[int], rank: int) -> list[int]:
    """The value for each dimension: repeated where one number serves all."""
    return list(value) * (rank // len(value))
