"""One class a sample."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks
from edgekit.types import DEFAULT_TASK

LOGITS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
CLASSES = np.random.default_rng(1).integers(0, 4, 40)


def test_agreement_without_labels_is_that_of_classes() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert tasks.of("classification").agree(logits, logits[[0, 0]]).value == 0.5


def test_metrics_by_name_leave_the_unknown_out() -> None:
    """Against their definitions, written out."""
    known = np.where(np.arange(40) < 30, CLASSES, -1)
    chosen, right = LOGITS[:30].argmax(1), CLASSES[:30]
    recalls = [(chosen == c)[right == c].mean() for c in range(4)]
    found = tasks.of(DEFAULT_TASK).metrics["balanced-accuracy"](LOGITS, known)
    assert found.value == pytest.approx(np.mean(recalls))
    assert found.metric == "balanced accuracy"
    both = [
        2
        * ((chosen == c) & (right == c)).sum()
        / ((chosen == c).sum() + (right == c).sum())
        for c in range(4)
    ]
    assert tasks.of(DEFAULT_TASK).metrics["f1"](LOGITS, known).value == pytest.approx(
        np.mean(both)
    )
    assert tasks.of(DEFAULT_TASK).metrics["top-5-accuracy"](LOGITS, known).value == 1.0
