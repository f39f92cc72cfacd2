"""The next token at each token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.tasks.sets import arrays, load, measured


def test_a_language_model_foretells_the_next_token(tmp_path: Path) -> None:
    arrays(tmp_path, x=np.array([[5, 6, 7]]))
    found = load(tmp_path, "set.npz", "language-modeling", (3,), dtype="int64")
    assert found.targets.tolist() == [[6, 7, -1]]
    arrays(tmp_path, x=np.array([[5, 6, 7]]), y=np.array([[1, -100, 2]]))
    given = load(tmp_path, "set.npz", "language-modeling", (3,), dtype="int64")
    assert given.targets.tolist() == [[1, -1, 2]]


def test_a_lower_perplexity_is_better() -> None:
    even = measured(
        "language-modeling",
        np.zeros((2, 3, 5), np.float32),
        np.array([[0, 1, -1]] * 2),
    )
    assert even.value == pytest.approx(5)
    assert not even.higher_is_better
