"""Samples by input."""

from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 3), np.float32),
        np.array(["a", "longer"]),
        np.array(5),
        np.array([True, False]),
    ],
)
def test_a_file_is_mapped_and_left_as_it_is(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "samples.npz"
    save(path, (values,), behind=np.array([7]))
    before = path.read_bytes()
    [found], others = read(path)
    assert found.dtype == values.dtype and found.shape == values.shape
    np.testing.assert_array_equal(found, values)
    assert others["behind"].tolist() == [7]
    if values.size:
        assert isinstance(found, np.memmap)
        found[...] = values[...].copy()
        others["behind"][0] = 8
    assert path.read_bytes() == before


def test_a_compressed_file_is_read_and_objects_are_not(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "small.npz", input_0=ONE)
    np.testing.assert_array_equal(read(tmp_path / "small.npz")[0][0], ONE)
    np.savez(tmp_path / "objects.npz", input_0=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read(tmp_path / "objects.npz")
