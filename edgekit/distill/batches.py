"""Training samples by number, from memory where they fit, and the order they are taken in."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgekit.data import Dataset
from edgekit.data.memory import fits
from edgekit.data.read_ahead import read_ahead
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds
from edgekit.tasks.targets import Targets

Inputs = tuple[Tensor, ...]
"""A tensor (n, *shape) for each input."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch: inputs (n, ...) of each input of the network, targets (n, ...) and sample indices
    (n,)."""

    inputs: Inputs
    targets: Tensor
    indices: Tensor
    """Indices of the samples in the data set."""

    def __len__(self) -> int:
        return len(self.indices)


class Batches:
    """The samples of a data set as tensors, inputs in the types the network takes."""

    def __init__(
        self, dataset: Dataset, dtypes: Sequence[torch.dtype] = (torch.float32,)
    ) -> None:
        if not len(dataset):
            raise DataError("There are no samples to distill with. Check [data] train.")
        self._dataset, self._dtypes = dataset, tuple(dtypes)
        sample, _ = dataset.feeds(np.array([0]))
        self.shapes: tuple[tuple[int, ...], ...] = tuple(x.shape[1:] for x in sample)
        size = dataset.sample_bytes
        every = torch.arange(len(dataset))
        self._held = self._read(every) if fits(size * len(dataset)) else None
        self._near: Batch | None = None
        """Samples that were read ahead."""
        self._coming = self.each(())

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, indices: Tensor) -> Batch:
        """The samples of these numbers, in this order."""
        near = self._held or self._near
        rows = indices if self._held is not None else _rows(near, indices)
        if near is None or rows is None:
            return self._read(indices)
        return Batch(
            inputs=tuple(x[rows] for x in near.inputs),
            targets=near.targets[rows],
            indices=indices,
        )

    def ordered(self, indices: Tensor, size: int) -> Iterator[Batch]:
        """Samples in batches of `size`, in the order of `numbers`."""
        return self.each(torch.split(indices, size))

    def each(self, parts: Sequence[Tensor]) -> Generator[Batch]:
        """The samples of each part, read ahead where they are not in memory."""
        if self._held is not None:
            yield from map(self.take, parts)
            return
        found = read_ahead(self._dataset, [part.numpy() for part in parts])
        for read, part in zip(found, parts, strict=True):
            yield self._batch(read, part)

    def read_ahead(self, parts: Sequence[Tensor]) -> None:
        """Read the samples of these parts ahead: `advance` comes before each is taken from.

        What was read ahead before is given up.
        """
        self._coming.close()
        self._near, self._coming = None, self.each(parts)

    def advance(self) -> None:
        """Have the samples of the next part at hand."""
        if self._held is None:
            self._near = next(self._coming, None)

    def _read(self, indices: Tensor) -> Batch:
        return self._batch(self._dataset.feeds(indices.numpy()), indices)

    def _batch(self, read: tuple[Feeds, Targets], indices: Tensor) -> Batch:
        feeds, targets = read
        return Batch(
            inputs=tuple(
                torch.from_numpy(feed).to(dtype)
                for feed, dtype in zip(feeds, self._dtypes, strict=True)
            ),
            targets=torch.from_numpy(targets),
            indices=indices,
        )


def _rows(near: Batch | None, indices: Tensor) -> Tensor | None:
    """Where samples are among those at hand; `None` where some are not."""
    if near is None:
        return None
    at = {index: row for row, index in enumerate(near.indices.tolist())}
    rows = [at.get(index) for index in indices.tolist()]
    return None if None in rows else torch.tensor(rows)


def all_known(dataset: Dataset, known: Callable[[Tensor], Tensor]) -> bool:
    """Return whether every sample has a target, by their mask (batch,)."""
    parts = map(torch.from_numpy, dataset.target_parts())
    return all(bool(known(part).all()) for part in parts)


def on(device: torch.device, inputs: Inputs) -> Inputs:
    """The inputs on a device."""
    return tuple(x.to(device) for x in inputs)


def steps_of(count: int, size: int, parts: int = 1) -> int:
    """Batches of `size` in an epoch of `count` samples.

    A last batch with fewer than two samples for each of `parts` is left out: batch norm cannot
    normalize one sample.
    """
    left = count % size
    return max(1, math.ceil(count / size) - (0 < left < 2 * parts))
