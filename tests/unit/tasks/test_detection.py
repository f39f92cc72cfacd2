"""Boxes and their classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.errors import UsageError
from edgekit.evaluate.parity import compare
from edgekit.tasks import decoding, losses
from edgekit.tasks.losses import BoxForm, Scores
from edgekit.types import BoxDecoder, TaskSpec
from tests.unit.distill.losses.tensors import normal


def test_unsure_boxes_weigh_nothing() -> None:
    teacher = torch.cat([normal(1, 3, 4), torch.full((1, 3, 2), -50.0)], dim=2)
    moved = teacher.clone()
    moved[..., :4] += 5
    assert losses.detections(moved, teacher, BoxForm()).item() == pytest.approx(
        0, abs=1e-5
    )
    teacher[..., 4] = moved[..., 4] = 50.0
    assert losses.detections(moved, teacher, BoxForm()).item() == pytest.approx(
        5, rel=1e-3
    )


def detected(boxes: torch.Tensor, *scores: float) -> torch.Tensor:
    """One place for each box, all with the same scores."""
    rows = torch.tensor(scores).expand(len(boxes), len(scores))
    return torch.cat([boxes, rows], dim=1)[None]


def test_a_sure_background_weighs_no_box() -> None:
    boxes, moved = torch.zeros(3, 4), torch.ones(3, 4)
    nothing = detected(boxes, 1.0, 0.0), detected(moved, 1.0, 0.0)
    own = BoxForm(scores="probabilities")
    assert losses.detections(*nothing, own).item() == pytest.approx(1, rel=1e-3)
    found = losses.detections(*nothing, replace(own, background=0)).item()
    assert found == pytest.approx(0, abs=1e-4)
    there = detected(boxes, 0.0, 1.0), detected(moved, 0.0, 1.0)
    found = losses.detections(*there, replace(own, background=0)).item()
    assert found == pytest.approx(1, rel=1e-3)


def found_and_lost(empty: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Students and teachers of a place with something, and of `empty` ones without."""
    boxes, nothing = torch.ones(1, 4), torch.ones(empty, 4)
    student, teacher = detected(boxes, 1.0, -2.0), detected(boxes + 1, 8.0, -50.0)
    rest = detected(nothing, -50.0, -50.0)
    return torch.cat([student, rest], 1), torch.cat([teacher, rest], 1)


def test_places_without_anything_take_no_weight_from_the_others() -> None:
    few, many = found_and_lost(1), found_and_lost(99)
    expected = losses.detections(*few, BoxForm()).item()
    assert losses.detections(*many, BoxForm()).item() == pytest.approx(expected)
    classes = np.log1p(np.exp(-1)) + np.log1p(np.exp(-2))
    assert expected == pytest.approx(classes + 1 / 2, rel=1e-2)


def test_a_sample_without_anything_locates_nothing() -> None:
    teacher = detected(torch.zeros(50, 4), -9.0)
    moved = detected(torch.full((50, 4), 3.0), -9.0)
    same, apart = (losses.detections(x, teacher, BoxForm()) for x in (teacher, moved))
    assert apart.item() - same.item() < 0.05


@pytest.mark.parametrize("scores", ["logits", "probabilities"])
def test_classes_of_places_without_an_object_teach_nothing(scores: Scores) -> None:
    """Of a head whose first score is an objectness; its classes are arbitrary elsewhere."""
    form = BoxForm(scores=scores, factor="objectness")
    low, high = (-50.0, 50.0) if scores == "logits" else (0.0, 1.0)
    boxes = torch.zeros(4, 4)
    teacher, moved = detected(boxes, low, high), detected(boxes + 1, low, low)
    assert losses.detections(moved, teacher, form).item() == pytest.approx(0, abs=1e-3)
    seen = detected(boxes, high, high), detected(boxes + 1, high, high)
    assert losses.detections(*seen, form).item() == pytest.approx(1, rel=1e-3)


def test_a_centerness_counts_where_there_is_a_class() -> None:
    form, boxes = BoxForm(factor="centerness"), torch.zeros(4, 4)
    teacher, moved = detected(boxes, 9.0, -50.0), detected(boxes, -9.0, -50.0)
    assert losses.detections(moved, teacher, form).item() == pytest.approx(0, abs=1e-3)
    wrong = losses.detections(
        detected(boxes, -9.0, 50.0), detected(boxes, 9.0, 50.0), form
    )
    assert wrong.item() == pytest.approx(9, rel=1e-2)


def test_probabilities_are_compared_as_they_are_and_saturated_ones_still_learn() -> (
    None
):
    logits = torch.tensor([[-10.0, 10.0]], requires_grad=True)
    boxes = torch.zeros(1, 4)
    teacher = detected(boxes, 0.9, 0.1)
    ours = torch.cat([boxes, logits.softmax(1)], dim=1)[None]
    form = BoxForm(scores="probabilities")
    losses.detections(ours, teacher, form).sum().backward()
    assert logits.grad is not None
    assert -1 < logits.grad[0, 0] < 0 <= logits.grad[0, 1] < 1
    same = losses.detections(teacher, teacher, form).item()
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert same == pytest.approx(2 * entropy, rel=1e-4)  # of both scores


def test_boxes_in_pixels_weigh_as_those_in_fractions() -> None:
    boxes = torch.tensor([[0.2, 0.4, 0.6, 0.8]])
    fraction = losses.detections(
        detected(boxes + 0.1, 50.0), detected(boxes, 50.0), BoxForm()
    ).item()
    pixels = losses.detections(
        detected(500 * boxes + 50, 50.0), detected(500 * boxes, 50.0), BoxForm()
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


def test_sides_are_compared_as_distributions() -> None:
    """By the formula of localization distillation, written out for one side that differs."""
    form = BoxForm(bins=3)
    sides = torch.zeros(1, 1, 12)
    moved = sides.clone()
    moved[..., 3] = 2.0  # the first bin of the second side
    sure = torch.full((1, 1, 1), 50.0)
    found = losses.detections(
        torch.cat([moved, sure], 2), torch.cat([sides, sure], 2), form
    ).item()
    ours = np.exp([1.0, 0.0, 0.0]) / np.exp([1.0, 0.0, 0.0]).sum()
    divergence = (np.log(1 / 3) - np.log(ours)).mean()
    assert found == pytest.approx(divergence * 2.0**2 / 4, rel=1e-4)


def test_scores_over_classes_follow_the_teacher() -> None:
    form = BoxForm(scores="softmax", background=-1)
    boxes = torch.zeros(2, 4)
    teacher = detected(boxes, 0.0, 2.0, 30.0)
    found = losses.detections(detected(boxes + 1, 0.0, 2.0, 30.0), teacher, form)
    assert found.item() == pytest.approx(0, abs=1e-3)
    ours = detected(boxes, 3.0, 1.0, -2.0).requires_grad_()
    losses.detections(ours, teacher, form).sum().backward()
    assert ours.grad is not None
    assert ours.grad[0, 0, 6] < 0 < ours.grad[0, 0, 4]


@pytest.mark.parametrize("head", ["yolov8", "yolov5"])
def test_a_head_tells_parts_and_losses_where_scores_lie(head: str) -> None:
    task = tasks.of(TaskSpec(kind="detection", decoder=head))
    places = torch.rand(2, 10, 7)
    given = places.mT if head == "yolov8" else places
    boxes, scores = task.parts(given.numpy())
    np.testing.assert_array_equal(boxes, places[..., :4])
    np.testing.assert_array_equal(scores, places[..., 4:])
    assert task.losses.arrange(given).shape == (2, 10, 7)
    assert task.box_losses is None and task.metric is not None


def test_a_head_tells_which_score_multiplies_the_others() -> None:
    heads = ("yolov5", "yolov5-anchors", "fcos", "retinanet")
    tasks_of_heads = [TaskSpec(kind="detection", decoder=head) for head in heads]
    found = [decoding.form(task).factor for task in tasks_of_heads]
    assert found == ["objectness", "objectness", "centerness", None]


def test_distributions_are_a_part() -> None:
    decoder = BoxDecoder(head="dfl", bins=8)
    task = tasks.of(TaskSpec(kind="detection", decoder=decoder))
    boxes, scores = task.parts(np.zeros((2, 21, 35), np.float32))
    assert (boxes.shape[2], scores.shape[2]) == (32, 3)


def test_a_decoder_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="Did you mean 'yolov8'"):
        tasks.of(TaskSpec(kind="detection", decoder="yolo8"))
    with pytest.raises(UsageError, match="decoder is of detectors"):
        tasks.of(TaskSpec(kind="regression", decoder="yolov8"))
