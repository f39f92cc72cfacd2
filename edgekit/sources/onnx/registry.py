"""The table of ONNX operators: one function for each, by domain, name and version.

A function takes the call (its node, the walk) and the operator's inputs, `None` where one is left
out, and returns its output, or a tuple of several. It gets tensors, except for the positions that
its entry calls `known`, which are arrays, and `raw`, which stay what they are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Compute = Callable[..., Any]
_Function = TypeVar("_Function", bound=Compute)

MICROSOFT = "com.microsoft"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Function of one operator, from a version of its domain on."""

    since: int
    compute: Compute
    roles: tuple[str, ...]
    """Role of a constant at each position in the layer: `weight`, `bias`; empty for none."""
    known: frozenset[int]
    raw: frozenset[int]


_TABLE: dict[tuple[str, str], list[Operator]] = {}
_KNOWN: dict[tuple[str, str], Compute] = {}


def operator(
    *names: str,
    since: int = 1,
    domain: str = "",
    roles: tuple[str, ...] = (),
    known: tuple[int, ...] = (),
    raw: tuple[int, ...] = (),
) -> Callable[[_Function], _Function]:
    """Enter a function in the table, under each of `names`."""

    def enter(compute: _Function) -> _Function:
        entry = Operator(
            since=since,
            compute=compute,
            roles=roles,
            known=frozenset(known),
            raw=frozenset(raw),
        )
        for name in names:
            versions = _TABLE.setdefault((domain, name), [])
            versions.append(entry)
            versions.sort(key=lambda each: each.since)
        return compute

    return enter


def on_known(*names: str) -> Callable[[_Function], _Function]:
    """Enter what computes an operator where every input is an array."""

    def enter(compute: _Function) -> _Function:
        for name in names:
            _KNOWN["", name] = compute
        return compute

    return enter


def find(domain: str, name: str, version: int) -> Operator | None:
    """The operator of a domain at a version; `None` where there is none."""
    versions = _TABLE.get((domain, name), [])
    place = bisect_right([each.since for each in versions], version)
    return versions[place - 1] if place else None


def find_known(domain: str, name: str) -> Compute | None:
    """The function of an operator on numbers known beforehand; `None` without one."""
    return _KNOWN.get((domain, name))


def names() -> set[tuple[str, str]]:
    """Domain and name of every operator."""
    return set(_TABLE)
