"""The part of this machine's memory that samples may take."""

from __future__ import annotations

import math
from functools import cached_property
from typing import ClassVar

import psutil

from edgekit.agent.serving import limits

MEMORY = 1 << 30
"""Most bytes of a data set's samples, decoded or preprocessed, that are kept."""
_FRACTION = 8
"""Samples take at most one part in so many of what is free: a build holds several data sets."""
_AT_ONCE = 10 << 20
"""Bytes of samples for a network at once: 17 of 224 x 224 pixels, which its activations keep in
the processor's cache (with 64, MobileNetV2 takes twice as long a sample)."""


def fits(size: int) -> bool:
    """Return whether `size` bytes of samples may be kept in memory."""
    return size <= min(MEMORY, available() // _FRACTION)


class KeptIfTheyFit:
    """Samples that are decoded once where all of them fit, else whenever they are read."""

    shape: tuple[int, ...]
    value_bytes: ClassVar[int] = 1
    """Of a decoded value: uint8 in images."""

    def __len__(self) -> int:
        raise NotImplementedError

    @cached_property
    def _kept(self) -> bool:
        return fits(len(self) * math.prod(self.shape) * self.value_bytes)

    @property
    def by_workers(self) -> bool:
        """Return whether samples are decoded whenever they are read."""
        return not self._kept


def available() -> int:
    """Bytes that are free on this machine, within the limit of this container."""
    free = int(psutil.virtual_memory().available)
    limit = limits.memory().limit_mb
    if limit is None:
        return free
    own = int(psutil.Process().memory_info().rss)
    return max(0, min(free, int(limit * 2**20) - own))


def at_once(sample: int, most: int) -> int:
    """Number of samples of `sample` bytes that a network is given at once, at most `most`: its
    activations take many times as much."""
    return max(1, min(most, _AT_ONCE // max(1, sample)))


def check_room(size: int, most: int) -> None:
    """Raise `ValueError` where `size` bytes are more than the `most` that there is room for."""
    if size > most:
        raise ValueError(f"it unpacks to {size:,} bytes; at most {most:,} fit")
