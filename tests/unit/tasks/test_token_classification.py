"""A class for each token."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.tasks.sets import measured


def test_token_accuracy_leaves_unknown_tokens_out() -> None:
    outputs = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 2]]]
    found = measured(
        "token-classification", outputs, np.array([[0, 2, -1], [2, -1, -1]])
    )
    assert found.value == pytest.approx(2 / 3)
    assert found.higher_is_better
