"""A vector a sample: distance from others, by angle or by neighbors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit import tasks
from tests.unit.tasks.sets import arrays, load


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


def test_an_embedding_has_vectors_or_classes(tmp_path: Path) -> None:
    arrays(tmp_path, x=np.zeros((2, 4)), y=np.array([1, 0]))
    assert load(tmp_path, "set.npz", "embedding", (4,)).classed
    arrays(tmp_path, x=np.zeros((2, 4)), y=np.ones((2, 3)))
    assert load(tmp_path, "set.npz", "embedding", (4,)).targets.shape == (2, 3)


def test_agreement_without_labels_is_the_angle() -> None:
    logits = np.array([[1, 0], [0, 1]], np.float32)
    turned = tasks.of("embedding").agree(logits, np.array([[3, 0], [2, 0]]) * 1.0)
    assert (turned.metric, turned.value) == ("cosine similarity", 0.5)


def test_recall_is_that_of_torchmetrics() -> None:
    """One query after another, of all the others."""
    torch = pytest.importorskip("torch")
    retrieval = pytest.importorskip("torchmetrics.functional.retrieval")
    draw = np.random.default_rng(0)
    points = draw.normal(size=(60, 4)).astype(np.float32)
    classes = draw.integers(0, 12, 60)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    metrics = tasks.of("embedding").metrics
    for most in (5, 10):
        hits = []
        for number in range(60):
            others = np.arange(60) != number
            near = torch.from_numpy(unit[others] @ unit[number])
            same = torch.from_numpy(classes[others] == classes[number])
            hits.append(float(retrieval.retrieval_hit_rate(near, same, top_k=most)))
        found = metrics[f"recall-at-{most}"](points, classes)
        assert found.value == pytest.approx(np.mean(hits)) and 0 < found.value < 1
    few = metrics["recall-at-10"](points[:3], np.array([0, 0, 1]))
    assert few.value == pytest.approx(2 / 3)
