"""Boxes and their classes."""

from __future__ import annotations

import pytest
import torch

from edgekit.tasks import losses
from tests.unit.distill.losses.tensors import normal


def test_unsure_boxes_weigh_nothing() -> None:
    teacher = torch.cat([normal(1, 3, 4), torch.full((1, 3, 2), -50.0)], dim=2)
    moved = teacher.clone()
    moved[..., :4] += 5
    assert losses.detections(moved, teacher).item() == pytest.approx(0, abs=1e-5)
    teacher[..., 4] = moved[..., 4] = 50.0
    assert losses.detections(moved, teacher).item() == pytest.approx(5, rel=1e-3)
