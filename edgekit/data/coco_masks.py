"""Masks of COCO's JSON: polygons and run lengths as the class of each pixel, or as maps of things.

Of classes, 0 is the background, and the categories follow in the order of their numbers; where
things of two categories overlap, a pixel's class is unknown. Of things, a pixel has the number of
its thing, in layers where things overlap. Decoded by faster-coco-eval, image by image.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from edgekit.tasks.targets import THINGS

BACKGROUND = "background"
_TRIANGLE = 6
"""Numbers of the smallest polygon."""
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
    drawn = _Things(numbers=numbers, apart=request.format.things)
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
    kind = Regions if not request.format.things else ThingMaps
    source = kind(
        images=[one.path for one in each],
        things=[drawn.of.get(number, []) for number in images],
        sizes=[(0, 0) if one.size is None else one.size[::-1] for one in each],
        pixels=(height, width),
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
    pixels: tuple[int, int]
    """Height and width of the input."""
    fit: str = "stretch"

    @property
    def size(self) -> tuple[int, ...]:
        """(height, width)."""
        return self.pixels

    def __len__(self) -> int:
        return len(self.images)

    def check(self, index: int) -> None:
        """Nothing: run lengths were checked when they were read."""

    def one(self, index: int) -> Array:
        """The class of each pixel (height, width) int32, -1 where things of two overlap, and around
        a letterboxed image; raises `DataError` for annotations of another size."""
        found = np.zeros(self.real_size(index), np.int32)
        for number, inside in self.regions(index):
            other = inside & (found != 0) & (found != number)
            found[inside] = number
            found[other] = -1
        return masks.placed(Image.fromarray(found), self.pixels, self.fit)

    def real_size(self, index: int) -> tuple[int, int]:
        """Height and width of an image; raises `DataError` where its annotations have another."""
        path, size = self.images[index], self.sizes[index]
        with reading(path, DataError), Image.open(path) as image:
            width, height = image.size
        if self.things[index] and (height, width) != size:
            given = f"{size[1]} x {size[0]}"
            raise DataError(
                f"The annotations of {path} are of {given} pixels, and it has {width} x {height}. "
                "Correct them."
            )
        return height, width

    def regions(self, index: int) -> Iterator[tuple[int, Array]]:
        """The class of each thing in an image, and where it is: (height, width), boolean."""
        pairs = zip(self.things[index], self._runs(index), strict=True)
        for (number, _), runs in pairs:
            yield number, _library().decode(runs).astype(bool)

    def _runs(self, index: int) -> list[dict[str, Any]]:
        """Run lengths of the things in an image, as the library takes them."""
        size = list(self.sizes[index])
        return [{"size": size, "counts": counts} for _, counts in self.things[index]]

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
class ThingMaps(Regions):
    """Maps of the things in images: `class * 1000 + number`, in as many layers as keep things of
    one layer apart. Things that are smaller than a pixel of the input may be lost."""

    @property
    def size(self) -> tuple[int, ...]:
        """(layers, height, width)."""
        most = max((max(each, default=0) for each in self._layers), default=0)
        return (most + 1, *self.pixels)

    @cached_property
    def _layers(self) -> list[list[int]]:
        """The layer of each thing in each image."""
        return [_apart(self._runs(index)) for index in range(len(self))]

    def one(self, index: int) -> Array:
        """The number of the thing at each pixel (layers, height, width) int32, -1 around a
        letterboxed image; raises `DataError` for annotations of another size."""
        found = np.zeros((self.size[0], *self.real_size(index)), np.int32)
        counted = Counter[int]()
        for layer, (kind, inside) in zip(
            self._layers[index], self.regions(index), strict=True
        ):
            counted[kind] += 1
            found[layer, inside] = kind * THINGS + counted[kind]
        each = (Image.fromarray(layer) for layer in found)
        return np.stack([masks.placed(one, self.pixels, self.fit) for one in each])


def _apart(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """A layer for each of the things, the first one in which it overlaps no other."""
    if not runs:
        return []
    overlap = np.asarray(_library().iou(runs, runs, [0] * len(runs))) > 0
    layers = list[int]()
    for number, row in enumerate(overlap):
        taken = {layers[other] for other in np.flatnonzero(row[:number])}
        layers.append(next(n for n in range(number + 1) if n not in taken))
    return layers


@dataclass(frozen=True, kw_only=True, eq=False)
class _Things:
    """Things by the number of their image, and what is wrong with others."""

    numbers: Mapping[Any, int]
    apart: bool
    """True where things are counted one by one, and crowds of them left out."""
    of: dict[Any, list[Thing]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def add(self, one: Mapping[str, Any], images: Mapping[Any, AnnotatedImage]) -> None:
        """Note one annotation, or its fault."""
        if self.apart and one.get("iscrowd"):
            return
        with self.faults.of(f"annotation {one.get('id', '?')}"):
            image = images.get(one.get("image_id"))
            if image is None:
                raise DataError(f"there is no image {one.get('image_id')}")
            number = self.numbers.get(one.get("category_id"))
            if number is None:
                raise DataError(f"there is no category {one.get('category_id')}")
            counts = _counts(one.get("segmentation"), image.size)
            things = self.of.setdefault(one["image_id"], [])
            if self.apart and sum(kind == number for kind, _ in things) == THINGS - 1:
                raise DataError(f"its image has {THINGS} things of its class or more")
            things.append((number, counts))


def _classes(
    names: Mapping[Any, str], request: Request, file: Path
) -> tuple[tuple[str, ...], dict[Any, int]]:
    """Names of the classes, and the class of each category."""
    if request.format.one_class:
        return request.labels or (), dict.fromkeys(names, 1)
    first = 0 if request.format.things else 1
    labels = request.labels or (*(BACKGROUND,) * first, *names.values())
    lacking = [name for name in names.values() if name not in labels[first:]]
    if lacking:
        background = f"; class 0, {labels[0]}, is what no mask covers" * first
        raise DataError(
            f"{file} has the categories {', '.join(lacking)}, which are none of "
            f"{', '.join(labels[first:])}{background}. Use the same classes in both, or correct "
            "[task] classes."
        )
    return labels, {number: labels.index(name, first) for number, name in names.items()}


def _counts(given: Any, size: tuple[int, int] | None) -> bytes:
    """Compressed run lengths of a segmentation in an image of `size` (width, height); raises
    `DataError`."""
    if size is None:
        raise DataError("its image has no width and height")
    if not given:
        raise DataError("it has no segmentation")
    mask = _library()
    try:
        _check_polygons(given)
        runs = mask.segmToRle(given, *size)
        if tuple(runs["size"]) != size[::-1]:
            raise ValueError(f"it is of {runs['size']} and its image of {size[::-1]}")
        counts = runs["counts"]
    except Exception as error:
        raise DataError(f"its segmentation is none ({reason(error)})") from error
    return counts.encode() if isinstance(counts, str) else bytes(counts)


def _check_polygons(given: Any) -> None:
    """Raise `ValueError` for polygons without three corners; the library draws nothing of them."""
    for one in given if isinstance(given, list) else ():
        if len(one) < _TRIANGLE or len(one) % 2:
            raise ValueError(f"a polygon of {len(one)} numbers, x and y of each corner")


def _library() -> Any:
    try:
        from faster_coco_eval.core import mask
    except ImportError as error:
        raise RuntimeMissing(
            "Masks of COCO's JSON are decoded by faster-coco-eval: "
            "pip install 'edgekit[detection]'."
        ) from error
    return mask
