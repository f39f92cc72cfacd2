"""Samples as a network takes them: an array for each input, in the order of its inputs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_magic
from numpy.typing import NDArray

Array = NDArray[Any]
Feeds = tuple[Array, ...]
"""An array (n, *shape) for each input."""
Given = Array | Sequence[Array]
"""Feeds as callers give them; one array is that of the only input."""
_INPUT = "input_"
_LENGTHS = 26
"""Where a local header of a zip archive has the lengths of the name and of the extra field."""


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
    """Map a file of `save`: the inputs, and the other arrays by name.

    Processes that read one file share its memory. Changes of an array stay in this process.
    """
    with ZipFile(path) as file:
        members = file.infolist()
        found = {
            each.filename.removesuffix(".npy"): _map(path, file, each)
            for each in members
        }
    count = sum(name.startswith(_INPUT) for name in found)
    return tuple(found.pop(f"{_INPUT}{number}") for number in range(count)), found


def _map(path: Path, file: ZipFile, member: ZipInfo) -> Array:
    """The array of a member that is stored as it is; NumPy reads those that cannot be mapped."""
    with file.open(member) as content:
        plain = member.compress_type == ZIP_STORED and read_magic(content) == (1, 0)
        shape, fortran, dtype = (
            read_array_header_1_0(content) if plain else ((), False, np.dtype(object))
        )
        header = content.tell()
        if dtype.hasobject or 0 in shape:
            content.seek(0)
            whole: Array = read_array(content, allow_pickle=False)
            return whole
    start = _start(path, member) + header
    return np.memmap(path, dtype, "c", start, shape, "F" if fortran else "C")


def _start(path: Path, member: ZipInfo) -> int:
    """Where a member's content begins: behind a header of 30 bytes, the name and an extra."""
    with path.open("rb") as file:
        file.seek(member.header_offset + _LENGTHS)
        name, extra = struct.unpack("<HH", file.read(4))
    return member.header_offset + _LENGTHS + 4 + int(name) + int(extra)
