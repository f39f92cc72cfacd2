"""Images out, compared with the right ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.errors import DataError
from edgekit.tasks.image_restoration import peak

TASK = tasks.of("image-restoration")


def test_the_noise_ratio_is_that_of_the_images_range() -> None:
    right = np.random.default_rng(0).uniform(size=(4, 3, 16, 16)).astype(np.float32)
    score = TASK.metrics["psnr"]
    assert score(right + np.float32(0.1), right).value == pytest.approx(20, abs=1e-3)
    bytes_ = (right * 255).round()
    off = score(bytes_ + np.float32(25.5), bytes_)
    assert off.value == pytest.approx(20, abs=1e-3) and not off.is_fraction
    assert score(right, right).value == 100
    assert TASK.metrics["ssim"](right, right).value == pytest.approx(1)


def test_ranges_of_values() -> None:
    assert peak(np.array([0.0, 0.7])) == 1
    assert peak(np.array([0.0, 200.0])) == 255
    assert peak(np.array([-1.0, 1.0])) == 2


def test_unknown_images_and_pixels_do_not_count() -> None:
    right = np.ones((2, 1, 4, 4), np.float32)
    right[1] = math.nan
    found = TASK.metrics["psnr"](np.zeros_like(right), right)
    assert found.samples == 1 and found.value == pytest.approx(0)
    with pytest.raises(DataError, match="no images"):
        TASK.metrics["psnr"](right, np.full_like(right, math.nan))
    with pytest.raises(DataError, match=r"shape \[2, 1, 4, 4\].*\[2, 1, 8, 8\]"):
        TASK.metrics["psnr"](np.zeros((2, 1, 8, 8), np.float32), right)
    targets = torch.tensor([[1.0, math.nan], [0.0, 0.0]])
    losses = TASK.losses.hard(torch.tensor([[3.0, 9.0], [1.0, 2.0]]), targets)
    assert losses.tolist() == [2.0, 1.5]
