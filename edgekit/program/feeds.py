"""Samples as a network takes them: an array for each input, in the order of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Feeds = tuple[Array, ...]
"""An array (n, *shape) for each input."""
Given = Array | Sequence[Array]
"""Feeds as callers give them; one array is that of the only input."""
_INPUT = "input_"


def feeds_of(given: Given) -> Feeds:
    """The array of each input."""
    return (given,) if isinstance(given, np.ndarray) else tuple(given)


def rows(given: Feeds, chosen: Any) -> Feeds:
    """The samples `chosen`, by numbers or by a slice, of every input."""
    return tuple(each[chosen] for each in given)


def joined(parts: Sequence[Feeds]) -> Feeds:
    """The samples of all parts, one after another."""
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def save(path: Path, given: Feeds, **others: Array) -> None:
    """Write an `.npz` of the inputs in order, and of `others` by name."""
    inputs = {f"{_INPUT}{number}": values for number, values in enumerate(given)}
    np.savez(path, **inputs, **others)  # type: ignore[arg-type]


def read(path: Path) -> tuple[Feeds, Mapping[str, Array]]:
    """Read a file of `save`: the inputs, and the other arrays by name."""
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    count = sum(name.startswith(_INPUT) for name in found)
    return tuple(found.pop(f"{_INPUT}{number}") for number in range(count)), found
