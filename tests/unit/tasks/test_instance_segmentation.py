"""Maps of things, the decoder of the user's, and the mean average precision of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import tasks
from edgekit.data.metrics import named
from edgekit.errors import DataError, UsageError
from edgekit.tasks.things import Things
from edgekit.types import TaskSpec
from tests.unit.tasks.sets import arrays, load

KIND = "instance-segmentation"
DECODE = """
import numpy as np

def things(output):
    '''A row: left, top, right, bottom, score, class.'''
    rows = output[output[:, 4] > 0]
    masks = np.zeros((len(rows), 8, 12))
    for mask, (left, top, right, bottom) in zip(masks, rows[:, :4].astype(int)):
        mask[top:bottom, left:right] = 0.9
    return rows[:, :4], masks, rows[:, 4], rows[:, 5]

def boxes(output):
    return output[:, :4], output[:, 4], output[:, 5]

def flat(output):
    return output[:, :4], output[:, :4], output[:, 4], output[:, 5]

def small(output):
    return output[:, :4], np.ones((len(output), 4, 4), bool), output[:, 4], output[:, 5]
"""
FIRST, SECOND, OTHER = (0, 0, 4, 4), (6, 2, 12, 8), (2, 2, 8, 6)


def target(*boxes: tuple[int, ...]) -> np.ndarray:
    """Of things in layers (layers, 8, 12), the second of class 1."""
    found = np.zeros((len(boxes), 8, 12), np.int64)
    for layer, (left, top, right, bottom) in zip(found, boxes, strict=True):
        kind = int((left, top, right, bottom) == SECOND)
        layer[top:bottom, left:right] = kind * 1000 + 1 + ((left, top) == OTHER[:2])
    return found


TARGETS = np.stack(
    [
        target(FIRST, SECOND),
        target(OTHER, FIRST),
        target()[:0].sum(0)[None].repeat(2, 0),
    ]
)


def outputs(*rows: tuple[int, tuple[int, ...], float, int]) -> np.ndarray:
    found = np.zeros((3, 4, 6), np.float32)
    for number, (sample, box, score, kind) in enumerate(rows):
        found[sample, number] = (*box, score, kind)
    return found


def scored(root: Path, name: str = "things", metric: str | None = None) -> object:
    (root / "decode.py").write_text(DECODE)
    spec = TaskSpec(kind=KIND, decoder=f"decode.py:{name}", metric=metric)
    return named(spec, root)


RIGHT = (
    (0, FIRST, 0.9, 0), (0, SECOND, 0.8, 1), (1, OTHER, 0.7, 0), (1, FIRST, 0.6, 0)
)  # fmt: skip


def test_masks_count_by_class_and_overlap(tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    score = scored(tmp_path)
    found = score(outputs(*RIGHT), TARGETS)
    assert (found.metric, found.samples) == ("mask mAP50-95", 3)
    assert found.value == pytest.approx(1)
    wrong = score(outputs(*RIGHT[:1], (0, SECOND, 0.8, 0), *RIGHT[2:]), TARGETS)
    assert wrong.value < 0.6  # the second class is never found
    # 3 of 4 columns: right at the thresholds 0.5 to 0.75, six of ten, of the class's only thing.
    narrow = (0, (6, 2, 12, 6.9), 0.8, 1)
    part = score(outputs(RIGHT[0], narrow, *RIGHT[2:]), TARGETS)
    assert part.value == pytest.approx((1 + 0.4) / 2)
    assert score(outputs(), TARGETS).value == 0


def test_boxes_are_those_around_masks(tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    found = scored(tmp_path, metric="box-map")(outputs(*RIGHT), TARGETS)
    assert (found.metric, found.value) == ("mAP50-95", pytest.approx(1))
    rows = Things.of(TARGETS[1]).rows
    assert sorted(map(tuple, rows.tolist())) == [(*FIRST, 0), (*OTHER, 0)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "boxes",
            r"returned no boxes \(found, 4\), masks \(found, height, width\).*3 parts",
        ),
        ("flat", r"returned masks of shape \[4, 4\]"),
    ],
)
def test_a_decoder_that_returns_something_else(
    tmp_path: Path, name: str, message: str
) -> None:
    pytest.importorskip("faster_coco_eval")
    with pytest.raises(UsageError, match=message):
        scored(tmp_path, name)(outputs(*RIGHT), TARGETS)


def test_masks_of_another_size(tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    with pytest.raises(DataError, match=r"masks of \[4, 4\] pixels.* have \[8, 12\]"):
        scored(tmp_path, "small")(outputs(*RIGHT), TARGETS)


def test_a_head_finds_no_masks() -> None:
    with pytest.raises(UsageError, match="'yolov8' finds boxes without masks"):
        tasks.of(TaskSpec(kind=KIND, decoder="yolov8"))


def test_maps_are_read_in_layers_or_as_one(tmp_path: Path) -> None:
    x = np.zeros((3, 1, 8, 12), np.uint8)
    for y in (TARGETS, TARGETS[:, 0].astype(np.uint16)):
        arrays(tmp_path, x=x, y=y)
        found = load(tmp_path, "set.npz", KIND, (1, 8, 12))
        np.testing.assert_array_equal(found.targets, y)
        assert found.mapped and found.labeled


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1000, r"maps of things with 1000 in sample 1\. Give class \* 1000"),
        (-2, r"maps of things with -2 in sample 1"),
        (2001, r"class 2 in sample 1, but the classes are 0 to 1"),
    ],
)
def test_maps_that_are_none(tmp_path: Path, value: int, message: str) -> None:
    y = TARGETS.copy()
    y[1, 0, 0, 0] = value
    arrays(tmp_path, x=np.zeros((3, 1, 8, 12), np.uint8), y=y)
    with pytest.raises(DataError, match=message):
        load(tmp_path, "set.npz", KIND, (1, 8, 12), labels=("a", "b"))


def test_a_student_learns_values_in_any_unit() -> None:
    soft = tasks.of(KIND).losses.soft
    teacher = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    student = teacher + 0.1
    assert soft(student, teacher, 1.0).shape == (6,)
    torch.testing.assert_close(
        soft(1000 * student, 1000 * teacher, 1.0), soft(student, teacher, 1.0)
    )
    assert soft(teacher, teacher, 1.0).max() == 0
