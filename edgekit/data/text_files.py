"""Folders of texts: one subfolder a class, or texts without labels, a `.txt` each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.data.dataset import Dataset
from edgekit.data.faults import Faults
from edgekit.data.request import Request
from edgekit.data.text_rows import from_texts
from edgekit.errors import DataError
from edgekit.safe_io import read_text

SUFFIX = ".txt"


def texts_in(path: Path) -> bool:
    """Return whether a folder, or one in it, has texts."""
    return (
        next(path.glob(f"*/*{SUFFIX}"), next(path.glob(f"*{SUFFIX}"), None)) is not None
    )


def load(path: Path, request: Request) -> Dataset:
    """The texts of every class subfolder, in the order of names; or those in `path` itself."""
    folders = sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] not in "._")
    loose = _files(path)
    if folders and loose:
        raise DataError(
            f"{path} has both class folders and texts beside them, such as {loose[0].name}. Move "
            "the texts into class folders, or the folders away."
        )
    if folders and not request.format.class_folders:
        raise DataError(
            f"{path} has class folders, and {request.kind} takes targets from .parquet, .csv or "
            "a loader."
        )
    labeled = [(file, folder.name) for folder in folders for file in _files(folder)]
    files = [file for file, _ in labeled] or loose
    faults, texts = Faults(), []
    for file in files:
        with faults.of(str(file)):
            texts.append(read_text(file, DataError))
    faults.refuse("texts")
    y = np.array([label for _, label in labeled]) if labeled else None
    return from_texts(texts, y, request, str(path))


def _files(folder: Path) -> list[Path]:
    found = folder.glob(f"*{SUFFIX}")
    return sorted(file for file in found if file.name[0] != ".")
