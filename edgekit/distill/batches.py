"""Training samples by number, from memory where they fit, and the order they are taken in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgekit.data import Dataset
from edgekit.errors import DataError

MEMORY = 1 << 30
"""Bytes of preprocessed inputs that are held at once."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch: inputs (n, ...), targets (n, ...) and sample indices (n,)."""

    inputs: Tensor
    targets: Tensor
    indices: Tensor
    """Indices of the samples in the data set."""

    def __len__(self) -> int:
        return len(self.indices)


class Batches:
    """The samples of a data set as tensors, inputs in the type the network takes."""

    def __init__(self, dataset: Dataset, dtype: torch.dtype = torch.float32) -> None:
        if not len(dataset):
            raise DataError("There are no samples to distill with. Check [data] train.")
        self._dataset, self._dtype = dataset, dtype
        sample, _ = dataset.arrays(np.array([0]))
        self.shape: tuple[int, ...] = sample.shape[1:]
        self._held = (
            self._read(torch.arange(len(dataset)))
            if sample.nbytes * len(dataset) <= MEMORY
            else None
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, indices: Tensor) -> Batch:
        """The samples of these numbers, in this order."""
        if self._held is None:
            return self._read(indices)
        return Batch(
            inputs=self._held.inputs[indices],
            targets=self._held.targets[indices],
            indices=indices,
        )

    def ordered(self, indices: Tensor, size: int) -> Iterator[Batch]:
        """Samples in batches of `size`, in the order of `numbers`."""
        for part in torch.split(indices, size):
            yield self.take(part)

    def _read(self, indices: Tensor) -> Batch:
        inputs, targets = self._dataset.arrays(indices.numpy())
        return Batch(
            inputs=torch.from_numpy(inputs).to(self._dtype),
            targets=torch.from_numpy(targets),
            indices=indices,
        )


def steps_of(count: int, size: int, parts: int = 1) -> int:
    """Batches of `size` in an epoch of `count` samples.

    A last batch with fewer than two samples for each of `parts` is left out: batch norm cannot
    normalize one sample.
    """
    left = count % size
    return max(1, math.ceil(count / size) - (0 < left < 2 * parts))
