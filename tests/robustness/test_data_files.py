"""Arrays, labels, masks and tables that are damaged or absurd: one line at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit import data
from edgekit.data import Dataset
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess


def load(path: Path, kind: Any = "classification") -> Dataset:
    shape = InputSpec(shape=(1, 4, 4))
    return data.load(
        path.name, root=path.parent, input=shape, preprocess=Preprocess(), kind=kind
    )


def archive(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (np.array([0, 1, 2, 2**40]), "1099511627776"),
        (np.array([0, 1, 2, 2**64 - 1], np.uint64), "18446744073709551615"),
        (np.array([0, 1, 2, -7]), "-7"),
        (np.array([0, 1, 2, 0.5]), "0.5"),
        (np.array([0, 1, 2, np.nan]), "not class numbers"),
        (np.array([0, 1, 2, 1e300]), "1e\\+300"),
        (np.array([0, 1, 2, "x"], dtype=object), "object"),
    ],
)
def test_labels_that_are_no_classes(tmp_path: Path, labels: Any, named: str) -> None:
    file = archive(tmp_path / "d.npz", x=np.zeros((4, 1, 4, 4), "f4"), y=labels)
    with pytest.raises(DataError, match=named):
        load(file)


@pytest.mark.parametrize("value", [2**40, -(2**40)])
def test_a_pixel_of_no_class(tmp_path: Path, value: int) -> None:
    masks = np.full((4, 4, 4), value)
    file = archive(tmp_path / "d.npz", x=np.zeros((4, 1, 4, 4), "f4"), y=masks)
    with pytest.raises(DataError, match=str(value)):
        load(file, "segmentation")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(tmp_path: Path, value: float) -> None:
    x = np.zeros((4, 1, 4, 4), "f4")
    x[2, 0, 1, 1] = value
    with pytest.raises(DataError, match="sample 2"):
        load(archive(tmp_path / "d.npz", x=x, y=np.zeros(4, int)))


def member(header: bytes, content: bytes = b"") -> bytes:
    size = len(header).to_bytes(2, "little")
    return b"\x93NUMPY\x01\x00" + size + header + content
