"""Boxes as annotations hold them."""

from __future__ import annotations

from pathlib import Path

from edgekit.data.annotations import AnnotatedImage, image_beside


def test_fractions_become_pixels() -> None:
    box = (0.25, 0.5, 0.5, 1.0)
    image = AnnotatedImage(path=Path("a"), boxes=[box], fractions=True)
    assert image.corners((8, 4)).tolist() == [[2, 2, 4, 4]]
    assert AnnotatedImage(path=Path("a")).corners((8, 4)).shape == (0, 4)


def test_an_image_is_found_with_or_without_its_own_folder(tmp_path: Path) -> None:
    there = tmp_path / "all" / "a.png"
    there.parent.mkdir()
    there.touch()
    assert image_beside("train/a.png", [tmp_path, there.parent]) == there
    assert image_beside("all/a.png", [tmp_path]) == there
    assert image_beside("b.png", [tmp_path]) is None
