"""A folder of images beside a folder of masks: `images/NAME.jpg` and `masks/NAME.png`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.data.faults import Faults
from edgekit.data.preprocess import Array
from edgekit.errors import DataError
from edgekit.safe_io import reading

IMAGES, MASKS = "images", "masks"
_INDEXED = ("1", "L", "P", "I", "I;16")
"""Pillow's modes whose pixels are numbers, and not colors."""
_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm")


def load(
    folder: Path,
    images: Sequence[Path],
    size: tuple[int, int],
    others: Callable[[], list[tuple[str, str]]] = list,
) -> Array:
    """The mask of each image (n, height, width) int32, found by the image's name.

    Raises `DataError` that names all that cannot be read, and faults of the images, which
    `others` finds. A pixel is its class's number. Masks of
    another size are stretched, each pixel taking its nearest's class.
    """
    there = {
        path.stem: path
        for path in sorted((folder / MASKS).iterdir())
        if path.suffix.lower() in _SUFFIXES
    }
    faults = Faults()
    result = np.empty((len(images), *size), np.int32)
    for number, image in enumerate(images):
        with faults.of(image.name):
            path = there.get(image.stem)
            if path is None:
                raise DataError(
                    f"{image} has no mask {folder / MASKS / image.stem}.png. Add it, or remove "
                    "the image."
                )
            result[number] = _mask(path, size)
    if faults.noted:
        faults.add(others())
    faults.refuse("images or masks")
    return result


def _mask(path: Path, size: tuple[int, int]) -> Array:
    height, width = size
    with (
        reading(path, DataError, kind="a mask", fix="Replace it."),
        Image.open(path) as image,
    ):
        if image.mode not in _INDEXED:
            raise DataError(
                f"The mask {path} has colors (mode {image.mode}). Give one number a "
                "pixel: its class, in a gray or palette image."
            )
        nearest = Image.Resampling.NEAREST
        return np.asarray(image.resize((width, height), nearest)).astype(np.int32)
