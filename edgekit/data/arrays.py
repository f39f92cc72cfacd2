"""Samples in a NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.data.dataset import Dataset
from edgekit.data.request import Request
from edgekit.data.samples import InMemory
from edgekit.errors import DataError
from edgekit.safe_io import read_arrays

INPUTS = ("x", "images", "inputs")
TARGETS = ("y", "labels", "targets", "masks")


def load(path: Path, request: Request) -> Dataset:
    """`x`, `images` or `inputs`, with `y`, `labels`, `targets` or `masks` where there are any."""
    archive = read_arrays(
        path, DataError, fix="Write it with numpy.savez, numbers only."
    )
    inputs = next((name for name in INPUTS if name in archive), None)
    targets = next((name for name in TARGETS if name in archive), None)
    if inputs is None:
        raise DataError(
            f"{path} has the arrays {', '.join(archive) or 'none'}. "
            f"Name the inputs {' or '.join(INPUTS)}."
        )
    y = archive[targets] if targets else None
    return from_arrays(archive[inputs], y, request, str(path))


def from_arrays(
    x: np.ndarray, y: np.ndarray | None, request: Request, origin: str
) -> Dataset:
    """A data set of arrays in memory: inputs (n, ...), and targets (n, ...) or none."""
    if not x.ndim or not len(x):
        raise DataError(f"{origin} has no samples.")
    x, notes = request.arrange(x, origin)
    if y is None and request.format.from_inputs is not None:
        y = request.format.from_inputs(x)
    if y is None:
        return request.unlabeled(InMemory(values=x), len(x), notes)
    if len(y) != len(x):
        raise DataError(f"{origin} has {len(x)} samples but {len(y)} labels.")
    targets, labels = request.targets(y, origin)
    return request.dataset(InMemory(values=x), targets, labels, notes)
