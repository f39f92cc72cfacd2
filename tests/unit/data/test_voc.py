"""Pascal VOC's XML."""

from __future__ import annotations

from pathlib import Path

from edgekit.data import voc
from tests.unit.data import drawn_boxes


def test_pixels_count_from_one_and_the_last_is_within(tmp_path: Path) -> None:
    found = voc.read(drawn_boxes.voc(tmp_path))
    assert found is not None and not found.faults
    assert found.images[0].boxes == [(4, 2, 14, 12)]
    assert found.images[0].size == (40, 20)
    assert found.names == ("cat", "dog")


def test_a_list_names_some_images(tmp_path: Path) -> None:
    home = drawn_boxes.voc(tmp_path)
    found = voc.read(home / "ImageSets" / "Main" / "some.txt")
    assert found is not None
    assert [image.path.name for image in found.images] == ["b.png"]
    (home / "ImageSets" / "Main" / "some.txt").write_text("b 1\nc -1\n")
    found = voc.read(home / "ImageSets" / "Main" / "some.txt")
    assert found is not None and len(found.images) == 1
    assert [Path(name).name for name, _ in found.faults] == ["c.xml"]


def test_files_may_lie_beside_images_of_another_ending(tmp_path: Path) -> None:
    home = drawn_boxes.voc(tmp_path / "set")
    both = home / "JPEGImages"
    for file in (home / "Annotations").iterdir():
        text = file.read_text().replace(".png", ".tiff").replace(">40<", ">0<")
        (both / file.name).write_text(text)
    found = voc.read(both)
    assert found is not None and not found.faults
    assert [image.size for image in found.images] == [None, None]


def test_all_faults_are_named(tmp_path: Path) -> None:
    home = drawn_boxes.voc(tmp_path)
    files = sorted((home / "Annotations").iterdir())
    files[0].write_text(files[0].read_text().replace("ymin", "top"))
    (home / "JPEGImages" / "b.png").unlink()
    found = voc.read(home)
    assert found is not None and not found.images
    assert found.faults[0][1] == "it lacks ymin of bndbox"
    assert "there is no image b.png" in found.faults[1][1]
