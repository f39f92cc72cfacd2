"""Polygons and run lengths of COCO's JSON as masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.data import memory
from edgekit.types import InputSpec, Preprocess
from tests.unit.data import drawn_boxes
from tests.unit.data.test_coco import changed
from tests.unit.data.test_load import failure, load

pytest.importorskip("faster_coco_eval")
INPUT = {"input": InputSpec(shape=(3, 20, 40)), "kind": "segmentation"}
DOG, CAT = 2, 1
"""Categories 7 and 3, after the background."""


def polygon(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def runs(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    """Run lengths by columns, of nothing and of the thing in turns, in 20 x 40 pixels."""
    inside = np.zeros((20, 40), bool)
    inside[top:bottom, left:right] = True
    flat = inside.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": [20, 40], "counts": counts if not flat[0] else [0, *counts]}


def annotated(home: Path) -> Path:
    """The boxes of `drawn_boxes` as masks, those of b in run lengths."""
    file = drawn_boxes.coco(home)

    def change(content: dict[str, Any]) -> None:
        for one in content["annotations"]:
            x, y, width, height = one["bbox"]
            draw = polygon if one["image_id"] == "a" else runs
            one["segmentation"] = draw(x, y, x + width, y + height)

    return changed(file, change)


def expected() -> np.ndarray:
    found = np.zeros((2, 20, 40), int)
    found[0, 2:12, 4:14] = DOG
    found[1, :, :8] = CAT
    found[1, 5:15, 20:] = DOG
    return found


def test_things_are_classes_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = annotated(tmp_path)
    found = load(str(file.relative_to(tmp_path)), tmp_path, **INPUT)
    assert found.labels == ("background", "cat", "dog")
    np.testing.assert_array_equal(found.targets, expected())
    monkeypatch.setattr(memory, "MEMORY", 0)
    stored = load(str(file.relative_to(tmp_path)), tmp_path, **INPUT)
    assert stored.targets_by_workers and stored.labels == found.labels
    np.testing.assert_array_equal(stored.feeds(np.array([1]))[1], expected()[1:])


def test_a_mask_of_one_class_has_all_things(tmp_path: Path) -> None:
    file = annotated(tmp_path)
    how = INPUT | {"kind": "binary-segmentation"}
    found = load(str(file.relative_to(tmp_path)), tmp_path, **how)
    np.testing.assert_array_equal(found.targets, expected() > 0)


def test_what_two_classes_cover_is_unknown(tmp_path: Path) -> None:
    file = annotated(tmp_path)

    def change(content: dict[str, Any]) -> None:
        first = content["annotations"][1]
        content["annotations"][2]["segmentation"] = polygon(4, 0, 40, 20)
        assert first["image_id"] == content["annotations"][2]["image_id"] == "b"

    changed(file, change)
    found = load(str(file.relative_to(tmp_path)), tmp_path, **INPUT).targets[1]
    assert (found[:, :4] == CAT).all() and (found[:, 8:] == DOG).all()
    assert (found[:, 4:8] == -1).all()


def test_masks_follow_their_images(tmp_path: Path) -> None:
    """A half as large, and letterboxed: the classes of the nearest, -1 around."""
    file = annotated(tmp_path)
    how = INPUT | {
        "input": InputSpec(shape=(3, 20, 20)),
        "preprocess": Preprocess(scale=1, fit="letterbox"),
    }
    found = load(str(file.relative_to(tmp_path)), tmp_path, **how).targets
    assert (found[:, [*range(5), *range(15, 20)]] == -1).all()
    np.testing.assert_array_equal(found[:, 5:15], expected()[:, 1::2, 1::2])


def test_classes_are_those_of_the_training_data(tmp_path: Path) -> None:
    file = annotated(tmp_path)
    place = str(file.relative_to(tmp_path))
    named = load(place, tmp_path, **INPUT, labels=("none", "dog", "bird", "cat"))
    assert set(np.unique(named.targets)) == {0, 1, 3}
    message = failure(place, tmp_path, **INPUT, labels=("none", "dog"))
    assert "has the categories cat, which are none of dog" in message


def test_all_annotations_that_are_none_are_named(tmp_path: Path) -> None:
    file = annotated(tmp_path)

    def change(content: dict[str, Any]) -> None:
        first, second, third = content["annotations"]
        first["segmentation"] = []
        second["category_id"] = 9
        third["segmentation"]["size"] = [4, 4]
        content["annotations"].append(first | {"id": 3, "segmentation": [[1, 2, 3]]})

    changed(file, change)
    message = failure(str(file.relative_to(tmp_path)), tmp_path, **INPUT)
    assert "Cannot read 4 annotations" in message
    assert "3 (its segmentation is none" in message
    assert "0 (it has no segmentation)" in message
    assert "1 (there is no category 9)" in message and "2 (its segmentation" in message


def test_annotations_of_another_size_are_named(tmp_path: Path) -> None:
    file = annotated(tmp_path)
    content = json.loads(file.read_text())
    content["images"][0].update(width=80, height=40)
    file.write_text(json.dumps(content))
    message = failure(str(file.relative_to(tmp_path)), tmp_path, **INPUT)
    assert "are of 80 x 40 pixels, and it has 40 x 20" in message


THINGS = INPUT | {"kind": "instance-segmentation"}


def test_things_are_counted_in_layers_where_they_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = annotated(tmp_path)

    def overlap(content: dict[str, Any]) -> None:
        first = content["annotations"][0]
        more = {"segmentation": polygon(8, 6, 20, 18), "bbox": [8, 6, 12, 12]}
        crowd = {"iscrowd": 1, "segmentation": runs(0, 0, 40, 20)}
        content["annotations"] += [
            first | {"id": 90} | more,
            first | {"id": 91} | crowd,
        ]

    changed(file, overlap)
    found = load(str(file.relative_to(tmp_path)), tmp_path, **THINGS)
    assert found.labels == ("cat", "dog") and found.mapped
    layers = np.zeros((2, 2, 20, 40), int)
    layers[0, 0, 2:12, 4:14] = 1001
    layers[0, 1, 6:18, 8:20] = 1002
    layers[1, 0, :, :8] = 1
    layers[1, 0, 5:15, 20:] = 1001
    np.testing.assert_array_equal(found.targets, layers)
    monkeypatch.setattr(memory, "MEMORY", 0)
    stored = load(str(file.relative_to(tmp_path)), tmp_path, **THINGS)
    assert stored.targets_by_workers and stored.target_shape == (2, 20, 40)
    np.testing.assert_array_equal(stored.feeds(np.array([1]))[1], layers[1:])


def test_things_lie_as_their_letterboxed_images_do(tmp_path: Path) -> None:
    file = annotated(tmp_path)
    how = THINGS | {
        "input": InputSpec(shape=(3, 40, 40)),
        "preprocess": Preprocess(fit="letterbox"),
    }
    found = load(str(file.relative_to(tmp_path)), tmp_path, **how).targets
    assert (found[:, :, :10] == -1).all() and (found[:, :, 30:] == -1).all()
    assert (found[0, 0, 12:22, 4:14] == 1001).all()


def test_categories_are_classes_of_things_from_the_first(tmp_path: Path) -> None:
    file = annotated(tmp_path)
    place = str(file.relative_to(tmp_path))
    message = failure(place, tmp_path, labels=("dog", "cow"), **THINGS)
    assert "has the categories cat, which are none of dog, cow. Use" in message
    named = load(place, tmp_path, labels=("bird", "dog", "cat"), **THINGS)
    assert set(np.unique(named.targets)) == {0, 1001, 2001}
