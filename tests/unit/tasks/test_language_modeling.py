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


def test_probabilities_are_as_good_as_their_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3, 7)).astype(np.float32)
    exponents = np.exp(logits)
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    targets = np.array([[0, 6, -1]] * 4)
    found = [measured("language-modeling", x, targets) for x in (logits, probabilities)]
    assert found[1].value == pytest.approx(found[0].value, rel=1e-5)
