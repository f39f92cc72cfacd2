"""Places in an image, as coordinates or as heatmaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.errors import DataError
from edgekit.tasks.keypoint_detection import heatmaps, places

TASK = tasks.of("keypoint-detection")
POINTS = np.array([[[0.1, 0.2], [0.9, 0.6], [math.nan, math.nan]]], np.float32)


def test_a_point_that_is_not_visible_is_unknown() -> None:
    given = np.array([[[3.0, 4.0, 2.0], [0.0, 0.0, 0.0]]])
    found, _ = TASK.targets.read(given, origin="y", labels=None, names=None)
    assert found[0, 0].tolist() == [3, 4] and np.isnan(found[0, 1]).all()
    with pytest.raises(DataError, match=r"shape \[1, 4\].*\(x, y\)"):
        TASK.targets.read(np.zeros((1, 4)), origin="y", labels=None, names=None)


def test_a_heatmap_is_highest_at_its_point() -> None:
    maps = heatmaps(torch.from_numpy(POINTS), 40, 80)
    assert maps.shape == (1, 3, 40, 80)
    assert maps[0, 0].argmax() == 7 * 80 + 7 or maps[0, 0].argmax() == 8 * 80 + 8
    assert float(maps[0, 2].abs().max()) == 0
    found = places(maps.numpy())
    assert np.abs(found[0, :2] - POINTS[0, :2]).max() <= 0.5 / 40 + 1e-6
    # Two and a half pixels, which the spread is, from the peak: the bell's value there.
    at = heatmaps(torch.tensor([[[0.5 / 80, 0.5 / 40]]]), 40, 80)[0, 0]
    assert float(at[0, 5]) == pytest.approx(math.exp(-(5**2) / (2 * 2.5**2)))


def test_points_near_enough_for_the_pose_are_right() -> None:
    found = POINTS.copy()
    found[0, 0] += (0.07, 0)  # of a pose 0.8 wide
    found[0, 1] += (0, 0.09)
    pck = TASK.metrics["pck"](found, POINTS)
    assert (pck.correct, pck.counted) == (1, 2)
    apart = TASK.metrics["mean-distance"](found, POINTS)
    assert apart.value == pytest.approx(0.08) and not apart.higher_is_better
    with pytest.raises(DataError, match="no points"):
        TASK.metrics["pck"](found, np.full_like(found, math.nan))
    with pytest.raises(DataError, match=r"shape \[1, 3, 2\].*\[1, 2, 2\]"):
        TASK.metrics["pck"](found[:, :2], POINTS)


def test_labels_teach_coordinates_and_heatmaps() -> None:
    targets = torch.from_numpy(POINTS)
    off = torch.nan_to_num(targets) + 0.5
    assert TASK.losses.hard(off, targets).tolist() == pytest.approx([0.25])
    maps = heatmaps(targets, 8, 8)
    assert TASK.losses.hard(maps, targets).tolist() == [0]
    wrong = maps.clone()
    wrong[0, 2] = 7  # of a point that is unknown
    assert TASK.losses.hard(wrong, targets).tolist() == [0]
    wrong[0, 0] += 1
    assert TASK.losses.hard(wrong, targets).tolist() == pytest.approx([0.5])


def test_the_number_of_points_is_that_of_the_network() -> None:
    for shape in ((1, 3, 2), (1, 3, 16, 16)):
        assert TASK.fits(shape, POINTS) is None
    for shape in ((1, 4, 2), (1, 4, 16, 16), (1, 6)):
        fault = TASK.fits(shape, POINTS)
        assert fault is not None and "3 points" in fault
