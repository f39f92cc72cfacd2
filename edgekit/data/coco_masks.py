"""Masks of COCO's JSON: polygons and run lengths as the class of each pixel.

Class 0 is the background, the categories follow in the order of their numbers. Where things of two
categories overlap, a pixel's class is unknown. Decoded by faster-coco-eval, image by image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.data import coco, masks
from edgekit.data.annotations import AnnotatedImage
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.folder import image_files
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.errors import DataError, RuntimeMissing
from edgekit.safe_io import reading, reason

BACKGROUND = "background"
Thing = tuple[int, bytes]
"""A class, and compressed run lengths of the pixels that have it."""


def load(path: Path, request: Request) -> Dataset | None:
    """The images and masks that `path` names; `None` where it holds no annotations of COCO's.

    Raises `DataError` that names all annotations which cannot be used, and `RuntimeMissing`.
    """
    found = coco.content(path)
    if found is None:
        return None
    file, content = found
    names = coco.categories(content)
    labels, numbers = _classes(names, request, file)
    drawn = _Things(numbers=numbers)
    images, faults = coco.images_of(content, file)
    drawn.faults.add(faults)
    for one in content["annotations"]:
        drawn.add(one, images)
    drawn.faults.refuse(f"annotations of {file}", "Correct or remove them.")
    if not images:
        raise DataError(f"{file} has annotations of no image. Add some.")
    (given,) = request.inputs
    _, height, width = given.spec.shape
    each = list(images.values())
    source = Regions(
        images=[one.path for one in each],
        things=[drawn.of.get(number, []) for number in images],
        sizes=[(0, 0) if one.size is None else one.size[::-1] for one in each],
        size=(height, width),
        fit=given.preprocess.fit,
    )
    samples = image_files(source.images, given)
    named = replace(request, labels=labels or None)
    return masks.dataset(samples, source, named, str(file))


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """The masks of images, by the run lengths of the things in each."""

    images: Sequence[Path]
    things: Sequence[Sequence[Thing]]
    sizes: Sequence[tuple[int, int]]
    """Height and width of each image by the annotations."""
    size: tuple[int, int]
    fit: str = "stretch"

    def __len__(self) -> int:
        return len(self.images)

    def check(self, index: int) -> None:
        """Nothing: run lengths were checked when they were read."""

    def one(self, index: int) -> Array:
        """The class of each pixel (height, width) int32, -1 where things of two overlap, and around
        a letterboxed image; raises `DataError` for annotations of another size."""
        path, size = self.images[index], self.sizes[index]
        with reading(path, DataError), Image.open(path) as image:
            real = image.size[::-1]
        if self.things[index] and real != size:
            given, own = (f"{width} x {height}" for height, width in (size, real))
            raise DataError(
                f"The annotations of {path} are of {given} pixels, and it has {own}. Correct them."
            )
        found = np.zeros(real, np.int32)
        for number, counts in self.things[index]:
            runs = {"size": list(size), "counts": counts}
            inside = _library().decode(runs).astype(bool)
            other = inside & (found != 0) & (found != number)
            found[inside] = number
            found[other] = -1
        return masks.placed(Image.fromarray(found), self.size, self.fit)

    def title(self, index: int) -> str:
        """The image's path."""
        return f"The mask of {self.images[index]}"

    def digest(self) -> bytes:
        """SHA-256 of the run lengths."""
        digest = hashlib.sha256(f"{self.size}{self.fit}".encode())
        for each in self.things:
            digest.update(repr(each).encode())
        return digest.digest()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Things:
    """Things by the number of their image, and what is wrong with others."""

    numbers: Mapping[Any, int]
    of: dict[Any, list[Thing]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def add(self, one: Mapping[str, Any], images: Mapping[Any, AnnotatedImage]) -> None:
        """Note one annotation, or its fault."""
        with self.faults.of(f"annotation {one.get('id', '?')}"):
            image = images.get(one.get("image_id"))
            if image is None:
                raise DataError(f"there is no image {one.get('image_id')}")
            number = self.numbers.get(one.get("category_id"))
            if number is None:
                raise DataError(f"there is no category {one.get('category_id')}")
            counts = _counts(one.get("segmentation"), image.size)
            self.of.setdefault(one["image_id"], []).append((number, counts))


def _classes(
    names: Mapping[Any, str], request: Request, file: Path
) -> tuple[tuple[str, ...], dict[Any, int]]:
    """Names of the classes, and the class of each category."""
    if request.format.one_class:
        return request.labels or (), dict.fromkeys(names, 1)
    labels = request.labels or (BACKGROUND, *names.values())
    lacking = [name for name in names.values() if name not in labels[1:]]
    if lacking:
        raise DataError(
            f"{file} has the categories {', '.join(lacking)}, which are none of "
            f"{', '.join(labels[1:])}; class 0, {labels[0]}, is what no mask covers. Use the same "
            "classes in both, or correct [task] classes."
        )
    return labels, {number: labels.index(name, 1) for number, name in names.items()}


def _counts(given: Any, size: tuple[int, int] | None) -> bytes:
    """Compressed run lengths of a segmentation in an image of `size` (width, height); raises
    `DataError`."""
    if size is None:
        raise DataError("its image has no width and height")
    if not given:
        raise DataError("it has no segmentation")
    mask = _library()
    try:
        runs = mask.segmToRle(given, *size)
        if tuple(runs["size"]) != size[::-1]:
            raise ValueError(f"it is of {runs['size']} and its image of {size[::-1]}")
        counts = runs["counts"]
    except Exception as error:
        raise DataError(f"its segmentation is none ({reason(error)})") from error
    return counts.encode() if isinstance(counts, str) else bytes(counts)


def _library() -> Any:
    try:
        from faster_coco_eval.core import mask
    except ImportError as error:
        raise RuntimeMissing(
            "Masks of COCO's JSON are decoded by faster-coco-eval: "
            "pip install 'edgekit[detection]'."
        ) from error
    return mask
