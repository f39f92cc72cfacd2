"""Folders of images: one subfolder a class, or images without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.data import preprocess
from edgekit.data.dataset import Dataset
from edgekit.data.request import Request
from edgekit.data.samples import Images
from edgekit.errors import DataError

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def load(path: Path, request: Request) -> Dataset:
    """Images of every class subfolder, in the order of names; or the images in `path` itself."""
    color = preprocess.color(request.preprocess, request.input)
    folders = sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] not in "._")
    loose = _images(path, deep=False)
    if folders and loose:
        raise DataError(
            f"{path} has both class folders and images beside them, such as "
            f"{loose[0].name}. Move the images into class folders, or the folders away."
        )
    if folders:
        labels = request.agree(tuple(f.name for f in folders), str(path))
        files, targets = _classes(folders, labels)
    else:
        files, targets, labels = loose, [-1] * len(loose), request.labels or ()
    if not files:
        raise DataError(
            f"No images in {path}. Put one folder of images a class there "
            f"({', '.join(sorted(SUFFIXES))})."
        )
    channels, height, width = request.input.shape
    samples = Images(
        sources=files,
        names=[str(file) for file in files],
        shape=(channels, height, width),
        color=color,
        resize=request.preprocess.resize,
    )
    return request.dataset(samples, np.array(targets, np.int64), labels)


def _classes(
    folders: list[Path], labels: tuple[str, ...]
) -> tuple[list[Path], list[int]]:
    files: list[Path] = []
    targets: list[int] = []
    found = [(folder, _images(folder, deep=True)) for folder in folders]
    if not any(images for _, images in found):
        return [], []
    for folder, images in found:
        if not images:
            raise DataError(
                f"The class folder {folder} has no images. Add some, or remove the folder."
            )
        files += images
        targets += [labels.index(folder.name)] * len(images)
    return files, targets


def _images(folder: Path, *, deep: bool) -> list[Path]:
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
