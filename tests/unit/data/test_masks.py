"""Masks beside a folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data import masks
from edgekit.errors import DataError


def save(folder: Path, name: str, pixels: np.ndarray, mode: str = "L") -> None:
    (folder / masks.MASKS).mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8), mode).save(folder / masks.MASKS / name)


def test_masks_are_found_by_name_and_stretched_to_the_nearest(tmp_path: Path) -> None:
    save(tmp_path, "b.png", np.array([[0, 1], [2, 255]]))
    save(tmp_path, "a.png", np.full((4, 4), 7))
    found = masks.load(tmp_path, [Path("a.jpg"), Path("b.jpg")], (4, 4))
    assert found.dtype == np.int32
    assert (found[0] == 7).all()
    assert found[1, ::3, ::3].tolist() == [[0, 1], [2, 255]]


def test_a_missing_mask_and_one_in_color_are_named(tmp_path: Path) -> None:
    save(tmp_path, "a.png", np.zeros((2, 2, 3)), "RGB")
    with pytest.raises(DataError, match="has no mask"):
        masks.load(tmp_path, [Path("b.jpg")], (2, 2))
    with pytest.raises(DataError, match="has colors"):
        masks.load(tmp_path, [Path("a.jpg")], (2, 2))
