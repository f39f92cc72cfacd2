"""Any number of classes a sample."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks


def test_average_precision_is_that_of_ranks() -> None:
    outputs = np.array([[3.0, -1.0], [2.0, 5.0], [1.0, 0.0]], np.float32)
    targets = np.array([[1, 0], [0, 1], [1, -1]])
    metrics = tasks.of("multi-label").metrics
    first = (1 / 1 + 2 / 3) / 2  # precision at each of the two that are there
    found = metrics["mean-average-precision"](outputs, targets)
    assert found.value == pytest.approx((first + 1.0) / 2)
    assert found.is_fraction and found.higher_is_better
    assert metrics["area-under-roc"](outputs, targets).value == pytest.approx(0.75)
    # Of the first label 2 of 3 called are right, and none is missed; of the second all are.
    assert metrics["f1"](outputs, targets).value == pytest.approx((0.8 + 1) / 2)


def test_one_label_a_sample_is_no_table_of_labels() -> None:
    assert not tasks.of("multi-label").labels_samples
    assert tasks.of("multi-label").takes_logits
