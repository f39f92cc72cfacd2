"""Targets by number: an array, boxes without padding, or masks that are read on request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgekit.data.preprocess import Array
from edgekit.data.samples import Indices
from edgekit.tasks.targets import NO_BOX, Targets


class StoredTargets(Protocol):
    """The targets of n samples, wherever they lie."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...), as an array of them all would have it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which they are read."""

    @property
    def by_workers(self) -> bool:
        """Return whether reading takes so long that other processes should do it."""

    def read(self, indices: Indices) -> Targets:
        """The targets (n, ...) of samples; raises `DataError` for one that cannot be read."""

    def digest(self, indices: Indices) -> bytes:
        """The content of these samples' targets, or a hash of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldTargets:
    """An array (n, ...)."""

    values: Targets

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, ...)."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return self.values.dtype

    @property
    def by_workers(self) -> bool:
        """Always false: they are in memory."""
        return False

    def read(self, indices: Indices) -> Targets:
        """The rows of these samples."""
        found: Targets = self.values[indices]
        return found

    def digest(self, indices: Indices) -> bytes:
        """The rows of these samples as bytes."""
        return wide(self.values[indices]).tobytes()


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxRows:
    """Boxes one after another, 20 bytes each: padded to (n, most boxes, 5) when they are read."""

    rows: Array
    """(boxes of all samples, 5), float32."""
    starts: Array
    """(n + 1,): the first row of each sample, and the number of all rows."""

    @classmethod
    def of(cls, boxes: Sequence[Array]) -> BoxRows:
        """Of the boxes (boxes, 5) of each sample."""
        empty = np.empty((0, len(NO_BOX)), np.float32)
        starts = np.cumsum([0, *map(len, boxes)])
        return cls(
            rows=np.concatenate([empty, *boxes], dtype=np.float32), starts=starts
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, most boxes of a sample, 5)."""
        most = int(np.diff(self.starts).max(initial=1))
        return (len(self.starts) - 1, most, len(NO_BOX))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return self.rows.dtype

    @property
    def by_workers(self) -> bool:
        """Always false: rows are in memory."""
        return False

    def read(self, indices: Indices) -> Targets:
        """Boxes (n, most boxes, 5); rows after a sample's last one have the class -1."""
        _, *sample = self.shape
        result = np.tile(np.array(NO_BOX, np.float32), (len(indices), sample[0], 1))
        for row, index in zip(result, indices, strict=True):
            found = self.rows[self.starts[index] : self.starts[index + 1]]
            row[: len(found)] = found
        return result

    def digest(self, indices: Indices) -> bytes:
        """The padded boxes of these samples as bytes."""
        digest = hashlib.sha256(repr(self.shape[1:]).encode())
        for index in indices:
            digest.update(
                self.rows[self.starts[index] : self.starts[index + 1]].tobytes()
            )
            digest.update(b";")
        return digest.digest()


class MaskSource(Protocol):
    """Masks of images, one at a time."""

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, ...]:
        """The shape of each mask: (height, width), or (layers, height, width)."""

    def check(self, index: int) -> None:
        """Raise `DataError` for a mask that cannot be read, as far as a short look shows."""

    def one(self, index: int) -> Array:
        """The mask (*size) int32, -1 where unknown; raises `DataError`."""

    def title(self, index: int) -> str:
        """The mask's name in errors."""

    def digest(self) -> bytes:
        """A hash of the content."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredMasks:
    """Masks that are read whenever they are requested."""

    source: MaskSource
    each: Callable[[Array, str], Targets]
    """From a mask (1, *size) as it is stored to targets, and its name in errors."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width), or (n, layers, height, width)."""
        return (len(self.source), *self.source.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always int32."""
        return np.dtype(np.int32)

    @property
    def by_workers(self) -> bool:
        """Always true: they are decoded whenever they are read."""
        return True

    def read(self, indices: Indices) -> Targets:
        """Masks (n, *size)."""
        result = np.empty((len(indices), *self.source.size), np.int32)
        for place, index in enumerate(map(int, indices)):
            title = self.source.title(index)
            result[place] = self.each(self.source.one(index)[None], title)[0]
        return result

    def digest(self, indices: Indices) -> bytes:
        """A hash of all masks, and of the samples' numbers."""
        return hashlib.sha256(self.source.digest() + indices.tobytes()).digest()


def wide(targets: Targets) -> Targets:
    """As PyTorch's losses take them: masks are stored in two bytes a pixel."""
    return targets.astype(
        np.float32 if targets.dtype.kind == "f" else np.int64, copy=False
    )
