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
