"""Folders with a subfolder a class, or with files alone, images apart."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgekit.data.request import Request
from edgekit.errors import DataError


def labeled_files(
    path: Path, suffixes: Collection[str], what: str, request: Request
) -> tuple[list[Path], list[str] | None]:
    """The files of every class subfolder in the order of names, and the class of each; or those in
    `path` itself, without classes. Raises `DataError` for both beside each other."""
    folders = sorted(p for p in path.iterdir() if p.is_dir() and p.name[0] not in "._")
    loose = files_in(path, suffixes, deep=False)
    if folders and loose:
        raise DataError(
            f"{path} has both class folders and {what} beside them, such as {loose[0].name}. Move "
            f"the {what} into class folders, or the folders away."
        )
    if folders and not request.format.class_folders:
        raise DataError(
            f"{path} has class folders, and {request.kind} takes targets from .parquet, .csv or "
            "a loader."
        )
    found = [
        (file, folder.name)
        for folder in folders
        for file in files_in(folder, suffixes, deep=False)
    ]
    if not found:
        return loose, None
    return [file for file, _ in found], [label for _, label in found]


def files_in(folder: Path, suffixes: Collection[str], *, deep: bool) -> list[Path]:
    """The files of a folder by name that end so, those of folders in it with them where `deep`."""
    each = folder.rglob("*") if deep else folder.iterdir()
    return sorted(p for p in each if p.suffix.lower() in suffixes and p.name[0] != ".")
