"""COCO's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.data import coco
from edgekit.errors import DataError
from tests.unit.data import drawn_boxes


def changed(file: Path, change: Callable[[Any], object]) -> Path:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    return file


def test_images_are_found_beside_the_file_and_beside_its_folder(tmp_path: Path) -> None:
    file = drawn_boxes.coco(tmp_path)
    found = coco.read(file)
    assert found is not None and not found.faults
    assert [image.path for image in found.images] == [
        tmp_path / "pictures" / name for name in ("a.png", "b.png")
    ]
    beside = file.rename(tmp_path / "pictures" / "_annotations.coco.json")
    again = coco.read(beside.parent)
    assert again is not None and len(again.images) == 2 and not again.faults
    drawn_boxes.pictures(tmp_path / "empty")
    assert coco.read(tmp_path / "empty") is None


def test_crowds_are_left_out(tmp_path: Path) -> None:
    file = drawn_boxes.coco(tmp_path)
    changed(file, lambda c: c["annotations"][0].update(iscrowd=1))
    found = coco.read(file)
    assert found is not None
    assert [len(image.boxes) for image in found.images] == [0, 2]


def test_all_faults_are_named(tmp_path: Path) -> None:
    file = drawn_boxes.coco(tmp_path)
    (tmp_path / "pictures" / "a.png").unlink()

    def change(content: Any) -> None:
        content["annotations"][1].update(category_id=9)
        content["annotations"][2].update(image_id="c")
        content["annotations"].append(
            {"id": 9, "image_id": "b", "category_id": 3, "bbox": [1, 2]}
        )

    found = coco.read(changed(file, change))
    assert found is not None
    reasons = [reason for _, reason in found.faults]
    assert len(reasons) == 4
    assert "there is no such image" in reasons[0]
    assert reasons[1:] == [
        "there is no category 9",
        "there is no image c",
        "its bbox [1, 2] is not x, y, width, height",
    ]


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    file = drawn_boxes.coco(tmp_path)
    with pytest.raises(DataError, match="it lacks categories"):
        coco.read(changed(file, lambda c: c.pop("categories")))
    file.write_text("[1, 2]")
    with pytest.raises(DataError, match="it lacks"):
        coco.read(file)
    twin = file.parent / "instances_b.json"
    twin.write_text("{}")
    with pytest.raises(DataError, match="several files of annotations"):
        coco.read(tmp_path)
