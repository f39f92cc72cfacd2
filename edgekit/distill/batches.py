"""Training samples by number, from memory where they fit, and the order they are taken in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgekit.data import Dataset
from edgekit.errors import DataError

Inputs = tuple[Tensor, ...]
"""A tensor (n, *shape) for each input."""
MEMORY = 1 << 30
"""Bytes of preprocessed inputs that are held at once."""


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
        size = sum(x.nbytes for x in sample)
        self._held = (
            self._read(torch.arange(len(dataset)))
            if size * len(dataset) <= MEMORY
            else None
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, indices: Tensor) -> Batch:
        """The samples of these numbers, in this order."""
        if self._held is None:
            return self._read(indices)
        return Batch(
            inputs=tuple(x[indices] for x in self._held.inputs),
            targets=self._held.targets[indices],
            indices=indices,
        )

    def ordered(self, indices: Tensor, size: int) -> Iterator[Batch]:
        """Samples in batches of `size`, in the order of `numbers`."""
        for part in torch.split(indices, size):
            yield self.take(part)

    def _read(self, indices: Tensor) -> Batch:
        feeds, targets = self._dataset.feeds(indices.numpy())
        return Batch(
            inputs=tuple(
                torch.from_numpy(feed).to(dtype)
                for feed, dtype in zip(feeds, self._dtypes, strict=True)
            ),
            targets=torch.from_numpy(targets),
            indices=indices,
        )


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
