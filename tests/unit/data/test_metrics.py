from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.data import metrics
from edgekit.errors import DataError, UsageError
from edgekit.types import TaskSpec


def test_token_accuracy_leaves_unknown_tokens_out() -> None:
    outputs = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 2]]]
    found = metrics.measure(
        "token-classification", outputs, np.array([[0, 2, -1], [2, -1, -1]])
    )
    assert found.value == pytest.approx(2 / 3)
    assert found.higher_is_better


def test_mean_intersection_over_union() -> None:
    targets = np.array([[[0, 0], [1, -1]]])
    outputs = np.zeros((1, 2, 2, 2), np.float32)
    outputs[0, 1, :, 0] = 1  # the left column is taken for class 1
    found = metrics.measure("segmentation", outputs, targets)
    assert found.value == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_lower_is_better() -> None:
    values = metrics.measure(
        "regression", np.array([[1.0], [2.0]], np.float32), np.array([3.0, np.nan])
    )
    assert (values.value, values.higher_is_better) == (2.0, False)
    even = metrics.measure(
        "language-modeling",
        np.zeros((2, 3, 5), np.float32),
        np.array([[0, 1, -1]] * 2),
    )
    assert even.value == pytest.approx(5)
    assert not even.higher_is_better


def test_agreement_without_labels() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert metrics.agreement("classification", logits, logits[[0, 0]]).value == 0.5
    apart = metrics.agreement("regression", logits, logits + 2)
    assert (apart.value, apart.higher_is_better) == (2.0, False)
    turned = metrics.agreement("embedding", logits, np.array([[3, 0], [2, 0]]) * 1.0)
    assert (turned.metric, turned.value) == ("cosine similarity", 0.5)


@pytest.mark.parametrize("kind", ["segmentation", "token-classification", "regression"])
def test_nothing_labeled_is_an_error(kind: str) -> None:
    unknown = np.full((2, 3), np.nan if kind == "regression" else -1)
    outputs = np.zeros((2, 3) if kind == "regression" else (2, 4, 3), np.float32)
    with pytest.raises(DataError, match=r"no (labels|values)"):
        metrics.measure(kind, outputs, unknown)  # type: ignore[arg-type]


LOGITS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
CLASSES = np.random.default_rng(1).integers(0, 4, 40)


def test_metrics_by_name_leave_the_unknown_out() -> None:
    """Against their definitions, written out."""
    known = np.where(np.arange(40) < 30, CLASSES, -1)
    chosen, right = LOGITS[:30].argmax(1), CLASSES[:30]
    recalls = [(chosen == c)[right == c].mean() for c in range(4)]
    found = named(TaskSpec(metric="balanced-accuracy"))(LOGITS, known)
    assert found.value == pytest.approx(np.mean(recalls))
    assert found.metric == "balanced accuracy"
    both = [
        2
        * ((chosen == c) & (right == c)).sum()
        / ((chosen == c).sum() + (right == c).sum())
        for c in range(4)
    ]
    assert named(TaskSpec(metric="f1"))(LOGITS, known).value == pytest.approx(
        np.mean(both)
    )
    assert named(TaskSpec(metric="top-5-accuracy"))(LOGITS, known).value == 1.0
    values = LOGITS[:, :1]
    moved = TaskSpec(kind="regression", metric="mean-squared-error")
    apart = named(moved)(values, values + 2)
    assert apart.value == pytest.approx(4)
    assert not apart.higher_is_better and not apart.share
    assert named(TaskSpec(kind="regression", metric="r2"))(
        values, values
    ).value == pytest.approx(1)
    maps = np.moveaxis(np.eye(2, dtype=np.float32)[[[[0, 1], [1, 1]]]], -1, 1)
    seen = np.array([[[0, 0], [1, -1]]])
    pixels = TaskSpec(kind="segmentation", metric="pixel-accuracy")
    assert named(pixels)(maps, seen).value == pytest.approx(2 / 3)


def test_an_embedding_is_told_by_vectors_or_by_neighbors() -> None:
    measured = named(TaskSpec(kind="embedding"))
    turned = measured(
        np.eye(2, dtype=np.float32), np.array([[1.0, 0], [1, 0]], np.float32)
    )
    assert (turned.metric, turned.value) == ("cosine similarity", pytest.approx(0.5))
    points = np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1], [1, -0.1]], np.float32)
    near = measured(points, np.array([0, 0, 1, 1, 1]))
    assert (near.metric, near.value) == ("retrieval precision", pytest.approx(4 / 5))


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


def test_what_two_outputs_have_in_common() -> None:
    assert metrics.explained(LOGITS, LOGITS) == pytest.approx(1)
    assert metrics.explained(
        LOGITS.mean(0)[None].repeat(40, 0), LOGITS
    ) == pytest.approx(0, abs=1e-6)
    assert metrics.explained(-LOGITS, LOGITS) < 0


def named(spec: TaskSpec) -> metrics.Metric:
    return metrics.named(spec, Path())
