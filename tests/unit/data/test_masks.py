"""Masks beside a folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data import masks, memory
from edgekit.errors import DataError
from tests.unit.data.test_load import failure, load


def save(folder: Path, name: str, pixels: np.ndarray, mode: str = "L") -> None:
    (folder / masks.MASKS).mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8), mode).save(folder / masks.MASKS / name)


def test_masks_are_found_by_name_and_stretched_to_the_nearest(tmp_path: Path) -> None:
    save(tmp_path, "b.png", np.array([[0, 1], [2, 255]]))
    save(tmp_path, "a.png", np.full((4, 4), 7))
    found = masks.find(tmp_path, [Path("a.jpg"), Path("b.jpg")], (4, 4))
    assert found.one(0).dtype == np.int32
    assert (found.one(0) == 7).all()
    assert found.one(1)[::3, ::3].tolist() == [[0, 1], [2, 255]]


def test_a_missing_mask_and_one_in_color_are_named(tmp_path: Path) -> None:
    save(tmp_path, "a.png", np.zeros((2, 2, 3)), "RGB")
    with pytest.raises(DataError, match="has no mask"):
        masks.find(tmp_path, [Path("b.jpg")], (2, 2)).check(0)
    with pytest.raises(DataError, match="has colors"):
        masks.find(tmp_path, [Path("a.jpg")], (2, 2)).check(0)


def test_a_letterboxed_mask_lies_as_its_image_does(tmp_path: Path) -> None:
    save(tmp_path, "a.png", np.full((2, 4), 3))
    found = masks.find(tmp_path, [Path("a.jpg")], (4, 4), "letterbox").one(0)
    assert found.tolist() == [[-1] * 4, [3] * 4, [3] * 4, [-1] * 4]


def test_masks_that_do_not_fit_are_looked_at_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MEMORY", 0)
    for name in ("a", "b", "c"):
        (tmp_path / "set/images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(tmp_path / f"set/images/{name}.png")
        save(tmp_path / "set", f"{name}.png", np.full((4, 6), 255 * (name == "a")))
    how = {"kind": "segmentation", "labels": ("ground", "thing")}
    data = load("set", tmp_path, **how)
    assert data.targets[:, 0, 0].tolist() == [-1, 0, 0]
    save(tmp_path / "set", "b.png", np.full((4, 6), 7))
    with pytest.raises(DataError, match=r"b\.png has class 7"):
        data.feeds(np.array([0, 1]))
    save(tmp_path / "set", "b.png", np.zeros((4, 6, 3)), "RGB")
    (tmp_path / "set/masks/c.png").unlink()
    message = failure("set", tmp_path, **how)
    assert "Cannot read 2 images or masks: b.png (" in message
    assert "c.png has no mask" in message
