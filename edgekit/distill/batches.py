"""Training samples in shuffled batches, from memory where they fit."""

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
    inputs: Tensor
    targets: Tensor
    numbers: Tensor
    """Which samples of the data set these are."""


class Batches:
    """The samples of a data set as tensors."""

    def __init__(self, dataset: Dataset) -> None:
        if not len(dataset):
            raise DataError("There are no samples to distil with. Check [data] train.")
        self._dataset = dataset
        sample, _ = dataset.arrays(np.array([0]))
        self._held = (
            self._read(torch.arange(len(dataset)))
            if sample.nbytes * len(dataset) <= MEMORY
            else None
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, numbers: Tensor) -> Batch:
        """The samples of these numbers, in this order."""
        if self._held is None:
            return self._read(numbers)
        return Batch(
            inputs=self._held.inputs[numbers],
            targets=self._held.targets[numbers],
            numbers=numbers,
        )

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Every sample once, in random order, in `steps(size)` batches.

        A last batch of one sample is left out: batch norm cannot normalise it.
        """
        order = torch.randperm(len(self), generator=generator)
        for numbers in torch.split(order, size)[: self.steps(size)]:
            yield self.take(numbers)

    def steps(self, size: int) -> int:
        """Batches in an epoch."""
        lonely = len(self) % size == 1 and len(self) > 1
        return math.ceil(len(self) / size) - lonely

    def ordered(self, size: int) -> Iterator[Batch]:
        """Every sample once, in order."""
        for numbers in torch.split(torch.arange(len(self)), size):
            yield self.take(numbers)

    def _read(self, numbers: Tensor) -> Batch:
        inputs, targets = self._dataset.arrays(numbers.numpy())
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            numbers=numbers,
        )
