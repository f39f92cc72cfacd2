"""Did you mean: the known name or the existing path next to one that does not exist."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

_LISTED = 1000
"""Entries of a folder that are looked at."""


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def suggest_path(path: Path, suffixes: tuple[str, ...] = ()) -> str:
    """` Did you mean 'x'?` with an existing path as near as the one that is missing, ` The folder
    F does not exist either.`, or nothing.

    `suffixes` restricts the last part to files with one of them.
    """
    try:
        if path.exists():
            return ""
        place, *rest = _missing(path)
        found = difflib.get_close_matches(place.name, _names(place.parent), n=5)
    except OSError:
        return ""
    for name in found:
        whole = place.with_name(name).joinpath(*rest)
        if whole.exists() and (not suffixes or whole.suffix in suffixes):
            return f" Did you mean '{Path(name, *rest)}'?"
    return f" The folder {place} does not exist either." if rest else ""


def _missing(path: Path) -> tuple[Path, *tuple[str, ...]]:
    """The outermost part of `path` that does not exist, and the names behind it."""
    rest: list[str] = []
    while not path.parent.is_dir() and path.parent != path:
        rest.insert(0, path.name)
        path = path.parent
    return path, *rest


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = [one.name for one, _ in zip(entries, range(_LISTED), strict=False)]
    return sorted(name for name in names if not name.startswith("."))
