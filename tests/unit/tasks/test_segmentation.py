"""A class for each pixel."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit import tasks
from tests.unit.tasks.sets import measured


def test_mean_intersection_over_union() -> None:
    targets = np.array([[[0, 0], [1, -1]]])
    outputs = np.zeros((1, 2, 2, 2), np.float32)
    outputs[0, 1, :, 0] = 1  # the left column is taken for class 1
    found = measured("segmentation", outputs, targets)
    assert found.value == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_accuracy_of_pixels_leaves_the_unknown_out() -> None:
    maps = np.moveaxis(np.eye(2, dtype=np.float32)[[[[0, 1], [1, 1]]]], -1, 1)
    seen = np.array([[[0, 0], [1, -1]]])
    pixels = tasks.of("segmentation").metrics["pixel-accuracy"]
    assert pixels(maps, seen).value == pytest.approx(2 / 3)
