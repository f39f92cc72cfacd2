"""Samples in a NumPy archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.dataset import Dataset
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import InMemory
from edgekit.data.text_beside import held_rows
from edgekit.errors import DataError
from edgekit.program.feeds import Feeds
from edgekit.safe_io import read_arrays


def load(path: Path, request: Request) -> Dataset:
    """An array for each input by name (of the only one `x`, `images` or `inputs`), with `y`,
    `labels`, `targets` or `masks` where there are any; or texts."""
    archive = read_arrays(
        path, DataError, fix="Write it with numpy.savez, numbers only."
    )
    groups = archive.pop(request.group, None) if request.group else None
    found = _dataset(archive, path, request)
    return found if groups is None else grouped(found, groups, str(path))


def _dataset(archive: dict[str, Array], path: Path, request: Request) -> Dataset:
    if request.text is not None:
        texts, _ = held_rows(archive, request, str(path))
        if texts is not None:
            return texts
    targets = request.targets_in(archive)
    y = archive[targets] if targets else None
    return from_arrays(request.separate(archive, str(path)), y, request, str(path))


def grouped(dataset: Dataset, groups: Any, origin: str) -> Dataset:
    """The samples in groups of these names; raises `DataError` for another number of them."""
    if len(groups) != len(dataset):
        raise DataError(
            f"{origin} has {len(dataset)} samples and {len(groups)} groups. Give one a sample."
        )
    return dataset.grouped(groups)


def from_arrays(
    x: Feeds, y: np.ndarray | None, request: Request, origin: str
) -> Dataset:
    """A data set of arrays in memory: (n, ...) of each input, and targets (n, ...) or none."""
    if not all(part.ndim and len(part) for part in x):
        raise DataError(f"{origin} has no samples.")
    feeds, notes = request.arrange(x, origin)
    if y is None and request.format.from_inputs is not None:
        y = request.format.from_inputs(feeds[0])
    samples = [InMemory(values=each) for each in feeds]
    return request.labeled(samples, y, origin, notes=notes)
