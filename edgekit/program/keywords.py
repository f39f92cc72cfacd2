"""Inputs by the names of forward's arguments: in whatever order they come, none is taken for
another."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.plain import unwrapped

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class _ByKeyword(nn.Module):
    """A network that takes its inputs in the order of `names`."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self._names = network, tuple(names)

    def forward(self, *inputs: Tensor) -> Any:
        return self.network(**dict(zip(self._names, inputs, strict=True)))


class _AsMapping(_ByKeyword):
    """A network whose forward takes one dictionary of its inputs."""

    def forward(self, *inputs: Tensor) -> Any:
        return self.network(dict(zip(self._names, inputs, strict=True)))


def in_order(network: nn.Module, names: Sequence[str]) -> nn.Module:
    """The network with inputs in the order of `names`; itself where that is forward's.

    A forward with one argument gets several inputs as a dictionary. Names that forward lacks are of
    inputs by position. Raises `ModelError` where it has only some of them, and one of those is at
    another place.
    """
    parameters = inspect.signature(unwrapped(network).forward).parameters.values()
    known = [each.name for each in parameters if each.kind in _NAMED]
    if len(names) > 1 and len(parameters) == len(known) == 1:
        return _AsMapping(network, names)
    by_position = [e.name for e in parameters if e.kind is not e.KEYWORD_ONLY]
    moved = [n for n, at in zip_longest(names, by_position) if n in known and n != at]
    if len(names) < 2 or not moved:
        return network
    strange = [name for name in names if name not in known]
    if strange:
        raise ModelError(
            f"forward() takes '{moved[0]}' as input {known.index(moved[0]) + 1} and has no "
            f"'{strange[0]}': its arguments are {', '.join(known)}. Name the inputs after them."
        )
    return _ByKeyword(network, names)
