"""Outputs of files with folded post-processing."""

from __future__ import annotations

import numpy as np

from edgekit.data.predictions import expected, logits, scores
from edgekit.types import IOFusion

LOGITS = np.array([[1.0, 3.0, -2.0], [0.0, -1.0, 4.0]], np.float32)


def test_softmax_and_back() -> None:
    folding = IOFusion(postprocess="softmax", classes=3)
    found = expected(LOGITS, folding)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-6)
    assert (found.argmax(1) == LOGITS.argmax(1)).all()
    back = logits(scores(found, folding), folding)
    apart = back - LOGITS  # a constant a sample, which no metric sees
    np.testing.assert_allclose(apart - apart[:, :1], 0.0, atol=1e-5)
    assert np.isfinite(logits(np.zeros((1, 3), np.float32), folding)).all()


def test_class_numbers_become_scores() -> None:
    folding = IOFusion(postprocess="argmax", classes=3)
    np.testing.assert_array_equal(
        expected(LOGITS, folding), [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    )
    maps = np.array([[[0, 2], [1, 1]]])
    assert scores(maps, folding).shape == (1, 3, 2, 2)


def test_without_a_step_outputs_stay() -> None:
    assert expected(LOGITS, IOFusion()) is LOGITS
    assert scores(LOGITS, IOFusion()) is LOGITS
    assert logits(LOGITS, IOFusion()) is LOGITS
