"""Files in the folder of a project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

_DEPTH = 3


def walk(folder: Path, depth: int = _DEPTH) -> Iterable[Path]:
    """Files and folders to a small depth, nearest first; hidden ones and builds are left out."""
    level = [folder]
    for _ in range(depth):
        children = [
            child
            for parent in level
            for child in sorted(parent.iterdir())
            if not child.name.startswith((".", "build"))
        ]
        yield from children
        level = [child for child in children if child.is_dir()]


def first_file(folder: Path, suffixes: Sequence[str]) -> str | None:
    """The nearest file with the first suffix that occurs, relative to `folder`."""
    for suffix in suffixes:
        for file in walk(folder):
            if file.suffix == suffix:
                return file.relative_to(folder).as_posix()
    return None
