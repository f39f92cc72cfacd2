"""Images with boxes in any format, as samples and targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.data import Dataset
from edgekit.types import InputSpec, Preprocess
from edgekit.types.data_notes import BoxesLeftOut
from tests.unit.data import drawn_boxes
from tests.unit.data.test_load import failure, load

INPUT = {"input": InputSpec(shape=(3, 10, 10)), "kind": "detection"}
STRETCHED = [
    [[1, 1, 3.5, 6, 1], [0, 0, 0, 0, -1]],
    [[0, 0, 2, 10, 0], [5, 2.5, 10, 7.5, 1]],
]
"""Of a width by 4 and a height by 2 smaller."""


def read(path: Path, **changes: object) -> Dataset:
    return load(path.name, path.parent, **(INPUT | changes))


@pytest.mark.parametrize("write", [drawn_boxes.coco, drawn_boxes.yolo, drawn_boxes.voc])
def test_each_format_gives_the_same_boxes(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    found = read(write(tmp_path))
    assert found.labels == ("cat", "dog")
    np.testing.assert_allclose(found.targets, STRETCHED, atol=1e-4)
    assert found.arrays()[0].shape == (2, 3, 10, 10)


def test_a_letterbox_moves_boxes_with_the_image(tmp_path: Path) -> None:
    how = Preprocess(scale=1, fit="letterbox")
    found = read(drawn_boxes.voc(tmp_path), preprocess=how)
    np.testing.assert_allclose(found.targets[1, 1], [5, 3.25, 10, 5.75, 1], atol=1e-4)
    column = found.arrays()[0][0, 1, :, 0]
    assert column.tolist() == [114.0] * 2 + [200.0] * 5 + [114.0] * 3


def test_classes_are_those_of_the_training_data(tmp_path: Path) -> None:
    voc = drawn_boxes.voc(tmp_path)
    labels = ("dog", "bird", "cat")
    assert read(voc, labels=labels).targets[0, 0, 4] == 0
    assert "has the classes dog, which are none of cat" in failure(
        voc.name, voc.parent, labels=("cat",), **INPUT
    )


def test_what_is_wrong_with_all_files_is_one_line(tmp_path: Path) -> None:
    voc = drawn_boxes.voc(tmp_path)
    files = sorted((voc / "Annotations").glob("*.xml"))
    files[0].write_text(files[0].read_text().replace("<width>40", "<width>80"))
    files[1].write_text(files[1].read_text().replace("<xmax>40", "<xmax>44"))
    message = failure(voc.name, voc.parent, **INPUT)
    assert "2 images with annotations that cannot be used" in message
    assert "its annotations are of 80 x 20 pixels, and it has 40 x 20" in message
    assert "box 2 (20, 5, 44, 15) is not within 40 x 20 pixels" in message
    files[1].write_text("<annotation>")
    (voc / "JPEGImages" / "a.png").write_bytes(b"no picture")
    message = failure(voc.name, voc.parent, **INPUT)
    assert "b.xml" in message and "not an image" in message


def test_boxes_without_an_area_are_left_out_and_noted(tmp_path: Path) -> None:
    yolo = drawn_boxes.yolo(tmp_path)
    with (yolo / "labels" / "a.txt").open("a") as file:
        file.write("\n1 0.5 0.5 0 0.5\n")
    found = read(yolo)
    np.testing.assert_allclose(found.targets, STRETCHED, atol=1e-4)
    assert found.notes == (BoxesLeftOut(origin=str(yolo), boxes=1, of=4),)


def test_hasty_marks_over_the_edge_are_cut_off(tmp_path: Path) -> None:
    voc = drawn_boxes.voc(tmp_path)
    for file in (voc / "Annotations").iterdir():
        file.write_text(file.read_text().replace("<xmax>40", "<xmax>41"))
    assert read(voc).targets[1, 1, 2] == 10


def test_a_box_turned_inside_out_is_named(tmp_path: Path) -> None:
    voc = drawn_boxes.voc(tmp_path)
    for file in (voc / "Annotations").iterdir():
        file.write_text(file.read_text().replace("<xmax>14", "<xmax>2"))
    message = failure(voc.name, voc.parent, **INPUT)
    assert "a.png (box 1 has a width or height below 0)" in message


def test_folders_without_annotations_are_read_as_before(tmp_path: Path) -> None:
    drawn_boxes.pictures(tmp_path / "plain")
    found = read(tmp_path / "plain")
    assert len(found) == 2 and not found.labeled
    (tmp_path / "empty").mkdir()
    assert "detection takes COCO's JSON" in failure("empty", tmp_path, **INPUT)
