"""A folder of images beside a folder of masks: `images/NAME.jpg` and `masks/NAME.png`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.agent.serving.decode import placement
from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.memory import fits
from edgekit.data.preprocess import Array
from edgekit.data.request import Request
from edgekit.data.samples import Files, Images, digest_of
from edgekit.data.stored_targets import MaskSource, StoredMasks
from edgekit.errors import DataError
from edgekit.safe_io import reading
from edgekit.tasks.targets import Targets

IMAGES, MASKS = "images", "masks"
_INDEXED = ("1", "L", "P", "I", "I;16")
"""Pillow's modes whose pixels are numbers, and not colors."""
_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm")
_BYTES = 2
"""Of a pixel of a mask that is kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskFiles:
    """The masks of images by their names, a file each."""

    folder: Path
    images: Sequence[Path]
    files: Files
    """An empty name where an image has none."""
    size: tuple[int, int]
    fit: str = "stretch"

    def __len__(self) -> int:
        return len(self.images)

    def check(self, index: int) -> None:
        """Raise `DataError` for a mask that is missing, cannot be opened or has colors."""
        with self._opened(index):
            pass

    def one(self, index: int) -> Array:
        """The number of each pixel's class (height, width) int32, -1 around a letterboxed image.

        Masks of another size are stretched, each pixel taking its nearest's class. Raises
        `DataError`.
        """
        with self._opened(index) as mask:
            return placed(mask, self.size, self.fit)

    def title(self, index: int) -> str:
        """The image's path."""
        return f"The mask of {self.images[index]}"

    def digest(self) -> bytes:
        """SHA-256 of the files, or of their names and sizes where they are large."""
        how = f"{self.size}{self.fit}".encode()
        return hashlib.sha256(how + digest_of(self.files)).digest()

    @contextmanager
    def _opened(self, index: int) -> Iterator[Image.Image]:
        if not self.files.names[index]:
            image = self.images[index]
            raise DataError(
                f"{image} has no mask {self.folder / image.stem}.png. Add it, or remove the image."
            )
        path = self.files[index]
        with (
            reading(path, DataError, kind="a mask", fix="Replace it."),
            Image.open(path) as mask,
        ):
            if mask.mode not in _INDEXED:
                raise DataError(
                    f"The mask {path} has colors (mode {mask.mode}). Give one number a "
                    "pixel: its class, in a gray or palette image."
                )
            yield mask


def find(
    folder: Path, images: Sequence[Path], size: tuple[int, int], fit: str = "stretch"
) -> MaskFiles:
    """The mask of each image in `folder`, by the image's name."""
    there = {
        path.stem: str(path)
        for path in sorted((folder / MASKS).iterdir())
        if path.suffix.lower() in _SUFFIXES
    }
    names = [there.get(image.stem, "") for image in images]
    return MaskFiles(
        folder=folder / MASKS,
        images=images,
        files=Files(names=names),
        size=size,
        fit=fit,
    )


def placed(image: Image.Image, size: tuple[int, int], fit: str) -> Array:
    """A mask as its image lies in the input: (height, width) int32, -1 around a letterboxed one."""
    at = placement(image.size, size, fit)
    nearest = np.asarray(image.resize(at.size, Image.Resampling.NEAREST), np.int32)
    if nearest.shape == size:
        return nearest
    result = np.full(size, -1, np.int32)
    (across, down), (left, top) = at.size, at.offset
    result[top : top + down, left : left + across] = nearest
    return result


def dataset(
    samples: Images, source: MaskSource, request: Request, origin: str
) -> Dataset:
    """The images with their masks, which stay where they are if they do not fit in memory.

    Raises `DataError` that names all masks and images that cannot be used, as far as each is
    looked at: of a set that does not fit, pixels are looked at when they are read.
    """
    faults = Faults()
    if not fits(len(source) * math.prod(source.size) * _BYTES):
        _refuse_unreadable(samples, faults, source, source.check)
        each = StoredMasks(source=source, each=_each(request))
        return request.dataset([samples], each, request.labels or ())
    found = np.empty((len(source), *source.size), np.int32)

    def read(index: int) -> None:
        found[index] = source.one(index)

    _refuse_unreadable(samples, faults, source, read)
    try:
        return request.labeled([samples], found, origin)
    except DataError:  # of all masks as one array; files have names
        for index, mask in enumerate(found):
            with faults.of(Path(samples.names[index]).stem):
                request.targets(mask[None], source.title(index))
        faults.refuse("masks", "Correct or remove them.")
        raise


def _refuse_unreadable(
    samples: Images, faults: Faults, source: MaskSource, look: Callable[[int], None]
) -> None:
    for index in range(len(source)):
        with faults.of(Path(samples.names[index]).name):
            look(index)
    if faults.noted:
        faults.add(samples.faults())
    faults.refuse("images or masks")


def _each(request: Request) -> Callable[[Array, str], Targets]:
    """Reading of one mask, without the checks that only a whole set allows."""
    form = request.format

    def read(mask: Array, title: str) -> Targets:
        of_one = form.read if form.read_one is None else form.read_one
        return of_one(mask, origin=title, labels=request.labels, names=None)[0]

    return read
