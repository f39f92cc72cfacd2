"""A user's function as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.data.test_load import failure, load


@pytest.mark.parametrize("name", ["arrays", "pairs", "inputs"])
def test_function_may_return_arrays_or_a_dataset(loader: Path, name: str) -> None:
    dataset = load(f"loader.py:{name}", loader)
    np.testing.assert_array_equal(
        dataset.arrays()[0], np.arange(3 * 72).reshape(3, 3, 4, 6)
    )
    assert dataset.targets.tolist() == ([-1] * 3 if name == "inputs" else [2, 1, 0])


def test_function_mistakes(loader: Path) -> None:
    assert "loader.py:30: RuntimeError: the disk is gone" in failure(
        "loader.py:breaks", loader
    )
    assert "Did you mean 'arrays'?" in failure("loader.py:array", loader)
    assert "no samples" in failure("loader.py:nothing", loader)
    assert "returned generator" in failure("loader.py:generator", loader)
