"""Items of the cache: listed, verified, removed by age and size, carried elsewhere.

An item is what one folder of the cache holds: an entry, a table of costs, a teacher's outputs.
An item that a process has locked is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgekit import scratch
from edgekit.errors import UsageError
from edgekit.store.entries import SEAL, Store, fault_of, writing

LIMIT = "EDGEKIT_CACHE_LIMIT"
"""Environment variable: bytes, or a size such as 20GB, that builds keep the cache below."""
DEFAULT_LIMIT = "20GB"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing in the cache."""

    kind: str
    name: str
    path: Path
    size_bytes: int
    used: float
    """When it was last read or written, in seconds since 1970."""

    @property
    def is_entry(self) -> bool:
        """Return whether it has a seal that vouches for it."""
        return (self.path / SEAL).is_file()


def items(store: Store) -> list[Item]:
    """Everything in the cache, by kind and name."""
    found = []
    for kind in _visible(store.root):
        if kind.is_dir():
            for path in _visible(kind):
                with suppress(FileNotFoundError):  # another process removed it
                    found.append(_item(kind.name, path))
    return found


def verify(store: Store) -> tuple[int, list[Item]]:
    """The number of entries, and those that are not as they were written; they are removed."""
    entries = [one for one in items(store) if one.path.is_dir()]
    sealed = [one for one in entries if one.is_entry]
    damaged = [
        one for one in sealed if fault_of(one.path, one.kind, one.name) is not None
    ]
    for one in damaged:
        store.remove(one.kind, one.name)
    return len(sealed), damaged


def clean(
    store: Store,
    kinds: Collection[str] = (),
    *,
    older_s: float = 0.0,
    limit_bytes: int | None = None,
) -> list[Item]:
    """Remove items of these kinds (of all without any), the least recently used first.

    Those used in the last `older_s` seconds stay; with a limit no more is removed than it takes
    to keep the whole cache below it. Raises `UsageError` for a kind that is not there.
    """
    every = items(store)
    known = {one.kind for one in every}
    unknown = sorted(set(kinds) - known)
    if unknown:
        listed = ", ".join(sorted(known)) or "nothing"
        raise UsageError(f"The cache has no '{unknown[0]}'. It has: {listed}.")
    total, now = sum(one.size_bytes for one in every), time.time()
    removed = []
    for one in sorted(every, key=lambda one: one.used):
        if limit_bytes is not None and total <= limit_bytes:
            break
        meant = (not kinds or one.kind in kinds) and now - one.used >= older_s
        if meant and _remove(store, one):
            removed.append(one)
            total -= one.size_bytes
    return removed


def trim(store: Store) -> list[Item]:
    """Remove the least recently used items that are over the limit of the environment.

    Raises `UsageError` for a limit that cannot be read.
    """
    limit = size_of(os.environ.get(LIMIT, DEFAULT_LIMIT))
    return clean(store, limit_bytes=limit)


def size_of(text: str) -> int:
    """Bytes of a size such as `500MB` or `20GB`; raises `UsageError` for another text."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"'{text}' cannot be read as a size. Write it as 500MB or 20GB."
        )
    return int(float(found[1]) * _UNITS[found[2].upper()])


def export(store: Store, file: Path) -> int:
    """Write every whole entry into a tar file; returns their number. Raises `OutputError`."""
    entries = [one for one in items(store) if one.path.is_dir() and one.is_entry]
    whole = [one for one in entries if fault_of(one.path, one.kind, one.name) is None]
    with (
        writing(file.parent, "the archive"),
        scratch.replacing(file) as partial,
        tarfile.open(partial, "w") as archive,
    ):
        for one in whole:
            archive.add(one.path, arcname=f"{one.kind}/{one.name}")
    return len(whole)


def take(store: Store, file: Path) -> tuple[int, int]:
    """Entries of a tar file that are not there yet: taken, and refused as damaged.

    Raises `UsageError` for a file of another kind, `OutputError` where the cache cannot be written.
    """
    with writing(store.root), scratch.folder(_made(store.root)) as place:
        try:
            with tarfile.open(file) as archive:
                archive.extractall(place, filter="data")
        except (OSError, tarfile.TarError, ValueError, EOFError) as error:
            if isinstance(error, OSError) and scratch.full(error):
                raise
            raise UsageError(
                f"{file} cannot be read as an exported cache: {error}."
            ) from error
        found = [path.parent for path in sorted(place.glob(f"*/*/{SEAL}"))]
        taken = [store.adopt(one.parent.name, one.name, one) for one in found]
    return sum(taken), len(taken) - sum(taken)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _visible(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return ()
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _item(kind: str, path: Path) -> Item:
    marks = [path.lstat()]
    for each in _inside(path):
        with suppress(FileNotFoundError):  # a training in it replaced a file
            marks.append(each.lstat())
    seal = path / SEAL
    used = seal.lstat().st_mtime if seal.is_file() else max(m.st_mtime for m in marks)
    size = sum(mark.st_blocks * 512 for mark in marks)
    return Item(kind=kind, name=path.name, path=path, size_bytes=size, used=used)


def _inside(path: Path) -> Iterator[Path]:
    """Files and folders below a folder, as far as nobody removes them meanwhile."""
    for folder, folders, files in os.walk(path) if not path.is_symlink() else ():
        yield from (Path(folder, name) for name in (*folders, *files))


def _remove(store: Store, item: Item) -> bool:
    """Remove an item, unless a process holds it."""
    if item.is_entry or not item.path.is_dir():
        away = scratch.folder(item.path.parent)
        gone = suppress(FileNotFoundError)  # another process was faster
        with writing(store.root), away as folder, gone:
            item.path.rename(folder / item.name)
        return True
    with scratch.locked(item.path) as ours:
        if ours:
            with writing(store.root):
                shutil.rmtree(item.path)
        return ours
