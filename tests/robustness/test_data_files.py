"""Arrays, labels, masks and tables that are damaged or absurd: one line at once."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit import data
from edgekit.data import Dataset
from edgekit.errors import DataError
from edgekit.safe_io import read_arrays
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


@pytest.mark.parametrize(
    "content",
    [
        member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (24, 1"),
        member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,)}"),
        member(b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,)}"),
        member(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        member(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"c"),
        member(b"{'descr': 'V0', 'fortran_order': False, 'shape': (1,)}"),
        member(b"(" * 5000),
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00\x00\x00",
    ],
)
def test_a_member_that_lies(tmp_path: Path, content: bytes) -> None:
    packed, alone = tmp_path / "d.npz", tmp_path / "d.npy"
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("x.npy", content)
    alone.write_bytes(content)
    for file in (packed, alone):
        with pytest.raises(DataError, match=file.name):
            read_arrays(file, DataError)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    file = tmp_path / "d.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("x.npy", b"\0" * 100_000)
    content = bytearray(file.read_bytes())
    at = content.index(b"PK\x01\x02") + 24  # the size unpacked, in the directory
    content[at : at + 4] = (0xFFFFFFFE).to_bytes(4, "little")
    bombs = tmp_path / "bomb.npz"
    bombs.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"bomb\.npz"):
        read_arrays(bombs, DataError)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    given = {
        "a": np.arange(6, dtype=">i4").reshape(2, 3),
        "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "c": np.array(["x", "yz"]),
        "d": np.zeros((0, 4)),
        "e": np.array(3),
    }
    found = read_arrays(archive(tmp_path / "d.npz", **given), DataError)
    assert list(found) == list(given)
    for name, value in given.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "d.npz")
    with pytest.raises(DataError, match="no regular file"):
        load(tmp_path / "d.npz")


def test_truncated_archives_at_every_length(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros((2, 1, 4, 4), "f4"), y=np.zeros(2, int))
    whole, file = stream.getvalue(), tmp_path / "d.npz"
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"d\.npz"):
            load(file)
