"""Metrics of every kind of task against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks
from edgekit.errors import DataError
from edgekit.tasks.scores import Outputs
from edgekit.tasks.targets import Targets
from edgekit.types import DEFAULT_TASK, Evaluation

LOGITS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
CLASSES = np.random.default_rng(1).integers(0, 4, 40)


def measured(kind: str, outputs: Outputs, targets: Targets) -> Evaluation:
    """By the kind's own metric."""
    metric = tasks.of(kind).metric
    assert metric is not None
    return metric(outputs, targets)


def test_token_accuracy_leaves_unknown_tokens_out() -> None:
    outputs = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 2]]]
    found = measured(
        "token-classification", outputs, np.array([[0, 2, -1], [2, -1, -1]])
    )
    assert found.value == pytest.approx(2 / 3)
    assert found.higher_is_better


def test_mean_intersection_over_union() -> None:
    targets = np.array([[[0, 0], [1, -1]]])
    outputs = np.zeros((1, 2, 2, 2), np.float32)
    outputs[0, 1, :, 0] = 1  # the left column is taken for class 1
    found = measured("segmentation", outputs, targets)
    assert found.value == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_lower_is_better() -> None:
    values = measured(
        "regression", np.array([[1.0], [2.0]], np.float32), np.array([3.0, np.nan])
    )
    assert (values.value, values.higher_is_better) == (2.0, False)
    even = measured(
        "language-modeling",
        np.zeros((2, 3, 5), np.float32),
        np.array([[0, 1, -1]] * 2),
    )
    assert even.value == pytest.approx(5)
    assert not even.higher_is_better


def test_agreement_without_labels() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert tasks.of("classification").agree(logits, logits[[0, 0]]).value == 0.5
    apart = tasks.of("regression").agree(logits, logits + 2)
    assert (apart.value, apart.higher_is_better) == (2.0, False)
    turned = tasks.of("embedding").agree(logits, np.array([[3, 0], [2, 0]]) * 1.0)
    assert (turned.metric, turned.value) == ("cosine similarity", 0.5)


@pytest.mark.parametrize("kind", ["segmentation", "token-classification", "regression"])
def test_nothing_labeled_is_an_error(kind: str) -> None:
    unknown = np.full((2, 3), np.nan if kind == "regression" else -1)
    outputs = np.zeros((2, 3) if kind == "regression" else (2, 4, 3), np.float32)
    with pytest.raises(DataError, match=r"no (labels|values)"):
        measured(kind, outputs, unknown)


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
    values = LOGITS[:, :1]
    apart = tasks.of("regression").metrics["mean-squared-error"](values, values + 2)
    assert apart.value == pytest.approx(4)
    assert not apart.higher_is_better and not apart.is_fraction
    assert tasks.of("regression").metrics["r2"](values, values).value == pytest.approx(
        1
    )
    maps = np.moveaxis(np.eye(2, dtype=np.float32)[[[[0, 1], [1, 1]]]], -1, 1)
    seen = np.array([[[0, 0], [1, -1]]])
    pixels = tasks.of("segmentation").metrics["pixel-accuracy"]
    assert pixels(maps, seen).value == pytest.approx(2 / 3)


def test_an_embedding_is_measured_by_vectors_or_by_neighbors() -> None:
    measured = tasks.of("embedding").metric
    assert measured is not None
    turned = measured(
        np.eye(2, dtype=np.float32), np.array([[1.0, 0], [1, 0]], np.float32)
    )
    assert (turned.metric, turned.value) == ("cosine similarity", pytest.approx(0.5))
    points = np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1], [1, -0.1]], np.float32)
    near = measured(points, np.array([0, 0, 1, 1, 1]))
    assert (near.metric, near.value) == ("retrieval precision", pytest.approx(4 / 5))
