"""The data set that every stage reads: preprocessed samples and what they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray

from edgekit.data.preprocess import Float, preprocess
from edgekit.data.samples import Indices, Samples
from edgekit.errors import DataError
from edgekit.types import Preprocess

Targets = NDArray[np.int64]


class Dataset(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Preprocessed samples with their class numbers, -1 where the class is not known.

    `notes` says what was found out about the source, such as a layout that was turned around.
    """

    def __init__(
        self,
        samples: Samples,
        targets: Targets,
        *,
        labels: tuple[str, ...],
        preprocess: Preprocess,
        notes: tuple[str, ...] = (),
        indices: Indices | None = None,
    ) -> None:
        self.labels = labels
        self.preprocess = preprocess
        self.notes = notes
        self._samples = samples
        self._all_targets = targets
        self._indices = np.arange(len(samples)) if indices is None else indices

    @property
    def targets(self) -> Targets:
        """Class numbers (n,), -1 where there is none."""
        targets: Targets = self._all_targets[self._indices]
        return targets

    @property
    def labelled(self) -> bool:
        """Whether any sample has a class."""
        return bool((self.targets >= 0).any())

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        x, y = self.arrays(np.array([range(len(self))[index]]))
        return torch.from_numpy(x[0]), int(y[0])

    def arrays(self, indices: Indices | None = None) -> tuple[Float, Targets]:
        """All inputs (n, *shape) and classes (n,), or those of `indices`."""
        chosen = self._indices if indices is None else self._indices[indices]
        raw = self._samples.raw(chosen)
        return preprocess(raw, self.preprocess), self._all_targets[chosen]

    def subset(self, indices: Indices) -> Dataset:
        """The samples of these numbers, in this order."""
        return Dataset(
            self._samples,
            self._all_targets,
            labels=self.labels,
            preprocess=self.preprocess,
            notes=self.notes,
            indices=self._indices[indices],
        )

    def fingerprint(self) -> str:
        """SHA-256 over samples, classes and preprocessing."""
        digest = hashlib.sha256(self._samples.digest())
        digest.update(json.dumps(asdict(self.preprocess), sort_keys=True).encode())
        digest.update(json.dumps(self.labels).encode())
        digest.update(self.targets.tobytes() + self._indices.tobytes())
        return digest.hexdigest()


def split(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training and validation parts, the latter with `share` of each class (stratified).

    A class keeps at least one sample in training; unlabelled samples count as one class.
    """
    generator = np.random.default_rng(seed)
    held: list[Indices] = []
    for target in np.unique(dataset.targets):
        members = np.flatnonzero(dataset.targets == target)
        count = min(round(share * len(members)), len(members) - 1)
        held.append(generator.permutation(members)[:count])
    validation = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
    if not len(validation):
        raise DataError(
            f"A validation share of {share:g} of {len(dataset)} training samples leaves none "
            "to select the best epoch by. Raise [recipe.distill] validation_share, or give "
            "[data] validation."
        )
    train = np.setdiff1d(np.arange(len(dataset)), validation)
    return dataset.subset(train), dataset.subset(validation)
