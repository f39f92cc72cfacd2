"""Boxes of images as annotations hold them, whatever their format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.data.preprocess import Array


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage:
    """An image and its boxes (x1, y1, x2, y2), in pixels, or as fractions of its size."""

    path: Path
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    """The name of each box's class, or its number."""
    size: tuple[int, int] | None = None
    """(width, height) by the annotations; `None` where they do not have it."""
    fractions: bool = False

    def corners(self, size: tuple[int, int]) -> Array:
        """Corners (boxes, 4) in pixels of the image, which has the `size` (width, height)."""
        boxes = np.array(self.boxes, np.float64).reshape(-1, 4)
        return boxes * np.array(size * 2) if self.fractions else boxes

    def fault(self, size: tuple[int, int]) -> str | None:
        """The fault of annotations that are of an image of another size, as a sentence."""
        if self.size is None or self.size == size:
            return None
        given, real = (f"{width} x {height}" for width, height in (self.size, size))
        return f"its annotations are of {given} pixels, and it has {real}"


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """The images of a data set, and the files that cannot be read: name and reason."""

    images: Sequence[AnnotatedImage]
    names: tuple[str, ...] = ()
    """The classes, in the order of their numbers."""
    numbered: bool = False
    """True where the images' classes are numbers, which have names or have none."""
    faults: Sequence[tuple[str, str]] = ()


def image_beside(name: str, folders: Sequence[Path]) -> Path | None:
    """The first file of that name in one of the folders, with or without the name's own folder."""
    for folder in folders:
        for each in (folder / name, folder / Path(name).name):
            if each.is_file():
                return each
    return None
