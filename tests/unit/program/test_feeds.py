"""Samples by input."""

from pathlib import Path

import numpy as np

from edgekit.program.feeds import feeds_of, joined, read, rows, save

ONE, TWO = np.arange(6).reshape(3, 2), np.arange(3.0)


def test_samples_are_taken_and_joined_by_input() -> None:
    assert feeds_of(ONE)[0] is ONE and feeds_of([ONE, TWO])[1] is TWO
    first = rows((ONE, TWO), slice(0, 2))
    last = rows((ONE, TWO), np.array([2]))
    for whole, given in zip(joined([first, last]), (ONE, TWO), strict=True):
        np.testing.assert_array_equal(whole, given)


def test_a_file_keeps_order_and_types(tmp_path: Path) -> None:
    feeds = tuple(
        np.full((2,), n, np.int64 if n % 2 else np.float32) for n in range(12)
    )
    save(tmp_path / "samples.npz", feeds, targets=np.array([1, 0]))
    found, others = read(tmp_path / "samples.npz")
    assert [x[0] for x in found] == list(range(12))
    assert [x.dtype for x in found] == [x.dtype for x in feeds]
    assert list(others) == ["targets"] and others["targets"].tolist() == [1, 0]
