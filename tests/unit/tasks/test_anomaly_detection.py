"""Scores of what is strange."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks
from edgekit.errors import DataError

TASK = tasks.of("anomaly-detection")


def test_the_area_counts_pairs_in_the_right_order() -> None:
    scores = np.array([1, 50, 40, 900, 2], np.float32)
    targets = np.array([0, 0, 1, 1, -1])
    score = TASK.metrics["area-under-roc"]
    assert score(scores, targets).value == pytest.approx(3 / 4)
    assert score(scores[:, None], targets).samples == 4
    maps = np.stack([scores, 0 * scores], 1).reshape(5, 1, 1, 2)
    assert score(maps, targets).value == pytest.approx(3 / 4)
    precision = TASK.metrics["average-precision"](scores, targets)
    assert precision.value == pytest.approx((1 + 2 / 3) / 2)


def test_both_kinds_of_samples_are_needed() -> None:
    with pytest.raises(DataError, match=r"normal samples .* and anomalies"):
        TASK.metrics["area-under-roc"](np.ones(3, np.float32), np.array([0, 0, -1]))
    with pytest.raises(DataError, match="has the label 2"):
        TASK.targets.read(np.array([0, 2]), origin="y", labels=None, names=None)
