"""Mean average precision of boxes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.metrics import named
from edgekit.data.stored_targets import BoxRows
from edgekit.errors import DataError, ModelError, RuntimeMissing, UsageError
from edgekit.types import TaskSpec

RIGHT = [[0, 0, 10, 10, 0], [20, 20, 40, 40, 1]]
ROWS = BoxRows.of([np.array(RIGHT), np.array(RIGHT[:1]), np.empty((0, 5))])
TARGETS = ROWS.read(np.arange(3))
SPEC = TaskSpec(kind="detection", decoder="boxes", metric="map-50")


def outputs(*rows: tuple[int, list[float]]) -> np.ndarray:
    """Boxes with scores of two classes in three samples."""
    found = np.zeros((3, 4, 6), np.float32)
    for number, (sample, row) in enumerate(rows):
        found[sample, number] = row
    return found


@pytest.fixture
def library() -> None:
    pytest.importorskip("faster_coco_eval")


@pytest.mark.usefixtures("library")
def test_what_is_found_counts_by_class_and_score() -> None:
    first = (0, [0, 0, 10, 10, 0.9, 0])
    second = (0, [20, 20, 40, 40, 0, 0.8])
    third = (1, [0, 0, 10, 10, 0.7, 0])
    score = named(SPEC, Path())
    found = score(outputs(first, second, third), TARGETS)
    assert (found.metric, found.samples) == ("mAP50", 3)
    assert found.value == pytest.approx(1)
    # Of the first class one of two boxes is found: the precision is 1 up to a recall of one half,
    # at 51 of COCO's 101 points.
    found = score(outputs(first, second), TARGETS)
    assert found.value == pytest.approx((51 / 101 + 1) / 2)
    wrong = (2, [0, 0, 10, 10, 0.95, 0])  # surer than both right ones
    found = score(outputs(first, second, third, wrong), TARGETS)
    assert found.value == pytest.approx((2 / 3 + 1) / 2)
    assert score(outputs(), TARGETS).value == 0


@pytest.mark.usefixtures("library")
def test_overlap_counts_from_one_half_to_095() -> None:
    moved = (0, [0, 0, 10, 8.2, 0.9, 0])  # 0.82: right at seven of ten thresholds
    score = named(TaskSpec(kind="detection", decoder="boxes"), Path())
    targets = TARGETS[:1, :1]
    found = score(outputs(moved)[:1], targets)
    assert (found.metric, found.value) == ("mAP50-95", pytest.approx(0.7))


@pytest.mark.usefixtures("library")
def test_a_decoder_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "decode.py").write_text(
        "def boxes(output):\n    return output[:, :4], output[:, 4], output[:, 5]\n"
        "def lost(output):\n    return output[:, :4], output[:3, 4], output[:, 5]\n"
        "def wrong(output):\n    return output\n"
    )
    right = np.concatenate([TARGETS, np.ones((3, 2, 1))], 2)[..., [0, 1, 2, 3, 5, 4]]
    spec = TaskSpec(kind="detection", decoder="decode.py:boxes")
    assert named(spec, tmp_path)(right, TARGETS).value == pytest.approx(1)
    for name, words in (("lost", "different numbers"), ("wrong", "Return a tuple")):
        spec = TaskSpec(kind="detection", decoder=f"decode.py:{name}")
        with pytest.raises(UsageError, match=words):
            named(spec, tmp_path)(outputs(), TARGETS)


def test_targets_that_are_no_boxes() -> None:
    score = named(SPEC, Path())
    with pytest.raises(DataError, match="have no boxes"):
        score(outputs(), np.full(3, np.nan, np.float32))
    with pytest.raises(DataError, match=r"takes boxes \(n, boxes, 5\)"):
        score(outputs(), np.zeros((3, 2, 4), np.float32))
    with pytest.raises(DataError, match="images without boxes alone"):
        score(outputs()[2:], TARGETS[2:])
    with pytest.raises(ModelError, match="'boxes' has an output of shape"):
        score(outputs()[..., :4], TARGETS)


def test_without_the_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[detection\]'"):
        named(SPEC, Path())(outputs(), TARGETS)
