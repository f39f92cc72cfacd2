"""Folders of images: one subfolder a class, or images without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.data import masks, preprocess
from edgekit.data.dataset import Dataset
from edgekit.data.faults import named
from edgekit.data.request import Request, RequestedInput
from edgekit.data.samples import Files, Images, Source
from edgekit.errors import DataError
from edgekit.tasks.targets import Targets, agree

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


def load(path: Path, request: Request) -> Dataset:
    """Images of every class subfolder, in the order of names; or the images in `path` itself.

    For kinds of tasks with masks: `images/` with `masks/` beside it.
    """
    (image,) = request.inputs
    preprocess.color(image.preprocess, image.spec)  # refuses what takes no images
    if request.format.masks and (path / masks.IMAGES).is_dir():
        return _masked(path, request)
    folders = sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] not in "._")
    loose = images_in(path, deep=False)
    if folders and loose:
        raise DataError(
            f"{path} has both class folders and images beside them, such as "
            f"{loose[0].name}. Move the images into class folders, or the folders away."
        )
    if folders and not request.format.class_folders:
        raise DataError(
            f"{path} has class folders, and {request.kind} takes {_takes(request)}."
        )
    if folders:
        labels = agree(tuple(f.name for f in folders), request.labels, str(path))
        files, targets = _classes(folders, labels)
    else:
        files, labels = loose, request.labels or ()
        targets = request.format.unlabeled(len(loose))
    if not files:
        raise DataError(
            f"No images in {path} ({', '.join(sorted(SUFFIXES))}): {request.kind} takes "
            f"{_takes(request)}."
        )
    return request.dataset([image_files(files, image)], targets, labels)


def _takes(request: Request) -> str:
    """Sources of labels of a kind of task, as a part of a sentence."""
    if request.format.class_folders:
        return "one folder of images a class"
    if request.format.masks:
        return f"the folders {masks.IMAGES} and {masks.MASKS}"
    if request.format.boxes:
        return (
            "COCO's JSON, images/ with labels/ (YOLO) or with Annotations/ (Pascal VOC)"
        )
    return "targets from .npz, .parquet or a loader"


def _masked(path: Path, request: Request) -> Dataset:
    files = images_in(path / masks.IMAGES, deep=False)
    if not files:
        raise DataError(f"No images in {path / masks.IMAGES}. Put some there.")
    (image,) = request.inputs
    samples = image_files(files, image)
    if not (path / masks.MASKS).is_dir():
        return request.labeled([samples], None, str(path))
    _, height, width = image.spec.shape
    found = masks.find(path, files, (height, width), image.preprocess.fit)
    return masks.dataset(samples, found, request, str(path / masks.MASKS))


def image_files(files: Sequence[Path], image: RequestedInput) -> Images:
    """The images in files as raw samples of an input; raises `DataError` where it takes none."""
    names = [str(file) for file in files]
    return images(Files(names=names), names, image)


def images(
    encoded: Sequence[Source], names: Sequence[str], image: RequestedInput
) -> Images:
    """Encoded images as raw samples of an input; `names` are for errors."""
    color = preprocess.color(image.preprocess, image.spec)
    channels, height, width = image.spec.shape
    return Images(
        sources=encoded,
        names=names,
        shape=(channels, height, width),
        color=color,
        resize=image.preprocess.resize,
        fit=image.preprocess.fit,
    )


def _classes(
    folders: list[Path], labels: tuple[str, ...]
) -> tuple[list[Path], Targets]:
    files: list[Path] = []
    targets: list[int] = []
    found = [(folder, images_in(folder, deep=True)) for folder in folders]
    if not any(images for _, images in found):
        return [], np.empty(0, np.int64)
    empty = [folder for folder, images in found if not images]
    if empty:
        several = len(empty) > 1
        raise DataError(
            f"The class folder{'s' * several} {named(empty)} {'have' if several else 'has'} no "
            f"images. Add some, or remove the folder{'s' * several}."
        )
    for folder, images in found:
        files += images
        targets += [labels.index(folder.name)] * len(images)
    return files, np.array(targets, np.int64)


def images_in(folder: Path, *, deep: bool) -> list[Path]:
    """The images of a folder by name, those of folders in it with them where `deep`."""
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
