"""Metrics of every kind of task against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.tasks import scores
from tests.unit.tasks.sets import measured


@pytest.mark.parametrize("kind", ["segmentation", "token-classification", "regression"])
def test_nothing_labeled_is_an_error(kind: str) -> None:
    unknown = np.full((2, 3), np.nan if kind == "regression" else -1)
    outputs = np.zeros((2, 3) if kind == "regression" else (2, 4, 3), np.float32)
    with pytest.raises(DataError, match=r"no (labels|values)"):
        measured(kind, outputs, unknown)


def test_what_two_outputs_have_in_common() -> None:
    logits = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    assert scores.explained(logits, logits) == pytest.approx(1)
    assert scores.explained(
        logits.mean(0)[None].repeat(40, 0), logits
    ) == pytest.approx(0, abs=1e-6)
    assert scores.explained(-logits, logits) < 0
