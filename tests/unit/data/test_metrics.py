from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.data import metrics
from edgekit.errors import UsageError
from edgekit.tasks.scores import Metric
from edgekit.types import TaskSpec

LOGITS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def test_a_function_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "metric.py").write_text(
        "def largest_error(outputs, targets):\n    return abs(outputs - targets).max()\n"
        "def text(outputs, targets):\n    return 'good'\n"
        "def broken(outputs, targets):\n    return float('nan')\n"
    )
    spec = TaskSpec(kind="detection", metric="metric.py:largest_error", better="lower")
    found = metrics.named(spec, tmp_path)(LOGITS, LOGITS + 3)
    assert (found.metric, found.higher_is_better) == ("largest error", False)
    assert found.value == pytest.approx(3)
    for name, words in (
        ("text", "text returned no number"),
        ("broken", "returned nan"),
    ):
        bad = TaskSpec(kind="detection", metric=f"metric.py:{name}")
        with pytest.raises(UsageError, match=words):
            metrics.named(bad, tmp_path)(LOGITS, LOGITS)


def test_a_metric_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="Did you mean 'mean-iou'"):
        named(TaskSpec(kind="segmentation", metric="mean-iuo"))
    with pytest.raises(UsageError, match="detection needs one of yours"):
        named(TaskSpec(kind="detection"))


def named(spec: TaskSpec) -> Metric:
    return metrics.named(spec, Path())
