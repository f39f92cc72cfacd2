"""Files that claim more than they hold."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.safe_io import read_arrays
from tests.robustness.test_data_files import archive, load, member


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


def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "d.npz")
    with pytest.raises(DataError, match="not a regular file"):
        load(tmp_path / "d.npz")


def test_truncated_archives_at_every_length(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros((2, 1, 4, 4), "f4"), y=np.zeros(2, int))
    whole, file = stream.getvalue(), tmp_path / "d.npz"
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"d\.npz"):
            load(file)
