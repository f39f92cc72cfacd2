"""Inputs by the names of forward's arguments: in whatever order they come, none is taken for
another."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self

from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.plain import unwrapped

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ByKeyword(nn.Module):
    """A network that takes its inputs in the order of `names`."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, tuple(names)

    def forward(self, *inputs: Tensor) -> Any:
        """Call the network with its inputs by name."""
        return self.network(**dict(zip(self.names, inputs, strict=True)))


class _AsMapping(ByKeyword):
    """A network whose forward takes one dictionary of its inputs, as `keyword` where it is
    by name alone."""

    def __init__(
        self, network: nn.Module, names: Sequence[str], keyword: str | None
    ) -> None:
        super().__init__(network, names)
        self._keyword = keyword

    def forward(self, *inputs: Tensor) -> Any:
        given = dict(zip(self.names, inputs, strict=True))
        if self._keyword is not None:
            return self.network(**{self._keyword: given})
        return self.network(given)


@dataclass(frozen=True, kw_only=True)
class _Takes:
    """Arguments of a forward: by position, by name, and as many as come of either."""

    by_position: tuple[str, ...]
    by_name: tuple[str, ...]
    needed: tuple[str, ...]
    """Arguments by name alone that have no default."""
    any_position: bool
    any_name: bool
    listed: str
    """The arguments as they are written."""

    @classmethod
    def of(cls, network: nn.Module) -> Self:
        """Those of the network inside its wrappers."""
        found = inspect.signature(unwrapped(network).forward)
        given = found.parameters.values()
        return cls(
            by_position=tuple(each.name for each in given if each.kind in _PLACED),
            by_name=tuple(each.name for each in given if each.kind in _NAMED),
            needed=tuple(
                each.name
                for each in given
                if each.kind is each.KEYWORD_ONLY and each.default is each.empty
            ),
            any_position=any(each.kind is each.VAR_POSITIONAL for each in given),
            any_name=any(each.kind is each.VAR_KEYWORD for each in given),
            listed=", ".join(map(_written, given)),
        )

    @property
    def only_named(self) -> bool:
        """Return whether nothing can be given by position."""
        return not self.by_position and not self.any_position

    @property
    def mapping(self) -> str | None:
        """The only argument, which several inputs are given in."""
        every = {*self.by_position, *self.by_name}
        alone = len(every) == 1 and not self.any_position and not self.any_name
        return next(iter(every)) if alone else None


def _written(one: inspect.Parameter) -> str:
    stars = 1 if one.kind is one.VAR_POSITIONAL else 2 * (one.kind is one.VAR_KEYWORD)
    return "*" * stars + one.name


def in_order(network: nn.Module, names: Sequence[str]) -> nn.Module:
    """The network with inputs in the order of `names`; itself where that is forward's.

    Without names, inputs are by position. A forward with one argument gets several inputs as a
    dictionary. Names that forward lacks are of inputs by position. Raises `ModelError` where it
    has only some of them and one of those is at another place, and where it takes inputs by
    other names alone.
    """
    takes = _Takes.of(network)
    if len(names) > 1 and takes.mapping is not None:
        keyword = None if takes.by_position else takes.mapping
        return _AsMapping(network, names, keyword)
    if takes.only_named:
        return ByKeyword(network, _only_named(takes, names))
    moved = _moved(takes, names)
    beyond = () if takes.any_position else names[len(takes.by_position) :]
    if len(names) < 2 or not (moved or beyond):
        return network
    strange = [name for name in names if name not in takes.by_name]
    if strange and not takes.any_name:
        places = [
            f"takes '{one}' as input {takes.by_name.index(one) + 1} and "
            for one in moved[:1]
        ]
        raise ModelError(
            f"forward() {''.join(places)}has no '{strange[0]}': its arguments are "
            f"{takes.listed}. Name the inputs after them."
        )
    return ByKeyword(network, names)


def _moved(takes: _Takes, names: Sequence[str]) -> list[str]:
    """Names of arguments that are at another place than forward's."""
    pairs = zip_longest(names, takes.by_position)
    return [name for name, at in pairs if name in takes.by_name and name != at]


def _only_named(takes: _Takes, names: Sequence[str]) -> Sequence[str]:
    """The names of inputs that a forward takes by name alone."""
    strange = [name for name in names if name not in takes.by_name]
    if names and (takes.any_name or not strange):
        return names
    known = takes.needed or takes.by_name
    if len(names) < 2 and len(known) == 1:
        return known
    lacked = f", and has no '{strange[0]}'" if strange else ""
    raise ModelError(
        f"forward() takes its inputs by name alone ({takes.listed}){lacked}. Name them: "
        "[[model.inputs]] name = ..., or example_inputs={name: tensor}."
    )
