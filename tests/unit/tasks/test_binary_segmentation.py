"""One mask, by one logit a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks
from edgekit.errors import DataError

TASK = tasks.of("binary-segmentation")


def read(values: np.ndarray) -> np.ndarray:
    found, _ = TASK.targets.read(values, origin="masks", labels=None, names=None)
    return found


def test_black_and_white_masks_are_read_as_no_and_yes() -> None:
    mask = np.array([[[[0, 255], [255, 0]]]], np.uint8)
    assert read(mask).tolist() == [[[0, 1], [1, 0]]]
    assert read(mask == 255).tolist() == [[[0, 1], [1, 0]]]
    assert read(np.array([[[0, 1], [-1, 1]]])).tolist() == [[[0, 1], [-1, 1]]]
    with pytest.raises(DataError, match="masks with 7 beside 255"):
        read(np.array([[[0, 7, 255]]]))
    with pytest.raises(DataError, match="has the label 3"):
        read(np.array([[[0, 3]]]))


def test_overlap_is_counted_over_pixels() -> None:
    outputs = np.array([[[[4.0, 4.0], [4.0, -4.0]]]], np.float32)
    targets = np.array([[[1, 1], [0, 0]]])
    assert TASK.metrics["iou"](outputs, targets).value == pytest.approx(2 / 3)
    assert TASK.metrics["dice"](outputs, targets).value == pytest.approx(0.8)
    accuracy = TASK.metrics["pixel-accuracy"](outputs, targets)
    assert (accuracy.correct, accuracy.counted) == (3, 4)
