"""Folders of texts: one subfolder a class, or texts without labels, a `.txt` each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.data.class_folders import labeled_files
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
    files, labels = labeled_files(path, (SUFFIX,), "texts", request)
    faults, texts = Faults(), []
    for file in files:
        with faults.of(str(file)):
            texts.append(read_text(file, DataError))
    faults.refuse("texts")
    y = None if labels is None else np.array(labels)
    return from_texts(texts, y, request, str(path))
