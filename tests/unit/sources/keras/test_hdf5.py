"""An HDF5 file as plain text and arrays."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from edgekit.errors import ModelError
from edgekit.sources.keras import hdf5


def test_text_and_numbers_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["version"] = b"2.4.0"
        file.attrs["number"] = 3
        group = file.create_group("weights")
        group.attrs["names0"], group.attrs["names1"] = [b"a", b"b"], [b"c"]
        group.attrs["whole"] = ["d"]
        group["b"] = np.arange(6, dtype=">i4").reshape(2, 3)
        group["a"] = np.float64(0.5)
    found = hdf5.read(path)
    assert found.attributes[""] == {"version": "2.4.0"}
    assert found.texts("weights", "names") == ["a", "b", "c"]
    assert found.texts("weights", "whole") == ["d"]
    assert found.texts("weights", "none") is found.texts("nowhere", "none") is None
    assert found.arrays["weights/b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found.arrays["weights/a"] == 0.5


def test_the_user_reads_the_name_of_the_own_file(tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(
        ModelError, match=r"Cannot read mine\.keras as an HDF5 file"
    ) as e:
        hdf5.read(copy, Path("mine.keras"))
    assert "\n" not in str(e.value) and "copy" not in str(e.value)
