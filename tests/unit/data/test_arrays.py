"""`.npz` archives as data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.types.data_notes import SamplesTransposed
from tests.unit.data.test_load import failure, load


def test_archive_in_either_layout(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), np.uint8)
    np.savez(tmp_path / "first.npz", x=x, y=np.arange(5)[:, None])
    np.savez(tmp_path / "last.npz", images=x.transpose(0, 2, 3, 1).astype(np.float64))
    first, last = load("first.npz", tmp_path), load("last.npz", tmp_path)
    np.testing.assert_array_equal(first.arrays()[0], last.arrays()[0])
    assert first.labels == ("0", "1", "2", "3", "4")
    assert not first.notes
    [note] = last.notes
    assert isinstance(note, SamplesTransposed)
    assert (last.targets == -1).all()
    assert not last.labeled


def test_archive_mistakes(tmp_path: Path) -> None:
    x = np.zeros((5, 3, 4, 6))

    def saved(**arrays: object) -> str:
        np.savez(tmp_path / "set.npz", **arrays)
        return failure("set.npz", tmp_path, labels=("a", "b"))

    assert "[3, 4, 7]" in saved(x=np.zeros((5, 3, 4, 7)))
    assert "5 samples but 4 labels" in saved(x=x, y=np.zeros(4))
    assert "has class 2" in saved(x=x, y=np.array([0, 1, 2, 0, 0]))
    assert "0.5" in saved(x=x, y=np.full(5, 0.5))
    assert "-2" in saved(x=x, y=np.full(5, -2))
    assert "numbers only" in saved(x=np.array([None] * 5))
    assert "pictures" in saved(pictures=x)
    assert "no samples" in saved(x=x[:0])
    assert "not numbers" in saved(x=x.astype(str))
    (tmp_path / "bad.npz").write_bytes(b"zip?")
    assert "bad.npz" in failure("bad.npz", tmp_path)
    (tmp_path / "set.xls").write_text("1,2")
    assert ".parquet" in failure("set.xls", tmp_path)
