"""Parquet files as data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests.unit.data.test_load import BLUE, RED, encoded, failure, load


def test_parquet_of_images_and_of_lists(tmp_path: Path) -> None:
    images = [
        {"bytes": encoded(RED), "path": None},
        {"bytes": encoded(BLUE), "path": None},
    ]
    table = pa.table({"image": images, "label": ["red", "blue"]})
    pyarrow.parquet.write_table(table, tmp_path / "images.parquet")
    dataset = load("images.parquet", tmp_path)
    assert dataset.labels == ("blue", "red")
    assert dataset.targets.tolist() == [1, 0]
    assert dataset[0][0][:, 0, 0].tolist() == list(RED)
    lists = np.arange(2 * 72).reshape(2, 3, 4, 6)
    table = pa.table({"x": lists.tolist(), "y": [1, 0]})
    pyarrow.parquet.write_table(table, tmp_path / "lists.parquet")
    np.testing.assert_array_equal(load("lists.parquet", tmp_path).arrays()[0], lists)


def test_parquet_mistakes(tmp_path: Path) -> None:
    table = pa.table({"image": [encoded(RED), b"broken"], "label": [0, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    assert "row 1 of" in failure("set.parquet", tmp_path)
    (tmp_path / "bad.parquet").write_bytes(b"PAR?")
    assert "bad.parquet" in failure("bad.parquet", tmp_path)
