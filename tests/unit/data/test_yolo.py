"""YOLO's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.data import yolo
from edgekit.errors import DataError
from tests.unit.data import drawn_boxes

FORMS = (
    "names: ['cat', 'dog']",
    "path: .\nnames:\n- cat\n- dog\nnc: 2",
    'train: images\nnames:\n  0: "cat"\n  1: dog # the second\nnc: 2\n',
    "names: {0: cat, 1: dog}",
)


@pytest.mark.parametrize("text", FORMS)
def test_names_of_data_yaml_in_any_form(tmp_path: Path, text: str) -> None:
    home = drawn_boxes.yolo(tmp_path)
    (home / "data.yaml").write_text(text)
    found = yolo.read(home)
    assert found is not None and found.names == ("cat", "dog")
    (home / "data.yaml").write_text("nc: 2")
    with pytest.raises(DataError, match="has no list of names"):
        yolo.read(home)


def test_labels_of_a_folder_of_images_lie_beside_images(tmp_path: Path) -> None:
    home = drawn_boxes.yolo(tmp_path)
    for part in ("images", "labels"):
        (home / part).rename(home / "moved")
        (home / part).mkdir()
        (home / "moved").rename(home / part / "train")
    found = yolo.read(home / "images" / "train")
    assert found is not None and found.names == ("cat", "dog")
    assert [image.classes for image in found.images] == [["1"], ["0", "1"]]
    (home / "labels" / "train" / "a.txt").unlink()
    found = yolo.read(home / "images" / "train")
    assert found is not None and found.images[0].boxes == []


def test_all_faults_are_named(tmp_path: Path) -> None:
    home = drawn_boxes.yolo(tmp_path)
    (home / "labels" / "a.txt").write_text("\n1 0.5 0.5 0.1\n")
    (home / "labels" / "b.txt").write_text("0.5 0.5 0.5 0.1 0.1\n")
    found = yolo.read(home)
    assert found is not None
    assert [reason for _, reason in found.faults] == [
        "line 2 has 4 numbers instead of 5",
        "line 1 has the class 0.5",
    ]
    (home / "labels" / "b.txt").write_text("0 nan 0.5 0.1 0.1\n")
    found = yolo.read(home)
    assert found is not None
    assert found.faults[1][1] == "line 1 has a number that is not finite"
