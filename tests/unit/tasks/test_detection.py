"""Boxes and their classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.evaluate.parity import compare
from edgekit.tasks import losses
from tests.unit.distill.losses.tensors import normal


def test_unsure_boxes_weigh_nothing() -> None:
    teacher = torch.cat([normal(1, 3, 4), torch.full((1, 3, 2), -50.0)], dim=2)
    moved = teacher.clone()
    moved[..., :4] += 5
    assert losses.detections(moved, teacher).item() == pytest.approx(0, abs=1e-5)
    teacher[..., 4] = moved[..., 4] = 50.0
    assert losses.detections(moved, teacher).item() == pytest.approx(5, rel=1e-3)


def detected(boxes: torch.Tensor, *scores: float) -> torch.Tensor:
    """One place for each box, all with the same scores."""
    rows = torch.tensor(scores).expand(len(boxes), len(scores))
    return torch.cat([boxes, rows], dim=1)[None]


def test_a_sure_background_weighs_no_box() -> None:
    boxes, moved = torch.zeros(3, 4), torch.ones(3, 4)
    nothing = detected(boxes, 1.0, 0.0), detected(moved, 1.0, 0.0)
    own = {"probabilities": True}
    assert losses.detections(*nothing, **own).item() == pytest.approx(1, rel=1e-3)
    found = losses.detections(*nothing, **own, background=0).item()
    assert found == pytest.approx(0, abs=1e-4)
    there = detected(boxes, 0.0, 1.0), detected(moved, 0.0, 1.0)
    found = losses.detections(*there, **own, background=0).item()
    assert found == pytest.approx(1, rel=1e-3)


def test_probabilities_are_compared_as_they_are_and_saturated_ones_still_learn() -> (
    None
):
    logits = torch.tensor([[-10.0, 10.0]], requires_grad=True)
    boxes = torch.zeros(1, 4)
    teacher = detected(boxes, 0.9, 0.1)
    ours = torch.cat([boxes, logits.softmax(1)], dim=1)[None]
    losses.detections(ours, teacher, probabilities=True).sum().backward()
    assert logits.grad is not None
    assert -1 < logits.grad[0, 0] < 0 <= logits.grad[0, 1] < 1
    same = losses.detections(teacher, teacher, probabilities=True).item()
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert same == pytest.approx(entropy, rel=1e-4)


def test_boxes_in_pixels_weigh_as_those_in_fractions() -> None:
    boxes = torch.tensor([[0.2, 0.4, 0.6, 0.8]])
    fraction = losses.detections(
        detected(boxes + 0.1, 50.0), detected(boxes, 50.0)
    ).item()
    pixels = losses.detections(
        detected(500 * boxes + 50, 50.0), detected(500 * boxes, 50.0)
    ).item()
    assert fraction == pytest.approx(0.1, rel=1e-3)
    assert pixels == pytest.approx(0.1 / 0.5, rel=1e-3)


def test_scores_that_vanish_beside_boxes_in_pixels_are_no_agreement() -> None:
    chance = np.random.default_rng(0)
    boxes, scores = chance.uniform(0, 320, (8, 20, 4)), chance.uniform(0, 1, (8, 20, 3))
    whole = np.concatenate([boxes, scores], 2).astype(np.float32)
    step = 320 / 255
    rounded = (np.rint(whole / step) * step).astype(np.float32)
    task = tasks.of("detection")
    assert task.agree(whole, whole).value == 1
    assert task.agree(rounded, whole).value < 0.5
    assert compare(whole, whole, "int8", "detection").fault is None
    fault = compare(whole, rounded, "int8", "detection").fault
    assert fault is not None and fault.measure == "explained"
    near = np.concatenate([rounded[..., :4], np.rint(whole[..., 4:] * 255) / 255], 2)
    found = compare(whole, near.astype(np.float32), "int8", "detection")
    assert found.fault is None and found.parity.explained > 0.99


def test_scores_of_samples_without_anything_count_by_their_range() -> None:
    """Nearly constant scores, where int8's rounding is most of the variance."""
    chance = np.random.default_rng(0)
    scores = np.zeros((8, 20, 2), np.float32)
    scores[..., 1] = chance.uniform(0, 0.004, (8, 20))
    scores[..., 0] = 1 - scores[..., 1]
    boxes = chance.uniform(0, 1, (8, 20, 4)).astype(np.float32)
    whole = np.concatenate([boxes, scores], 2)
    rounded = np.rint(whole * 255) / 255
    assert compare(whole, rounded, "int8", "detection").fault is None
