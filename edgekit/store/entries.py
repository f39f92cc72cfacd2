"""Finished stages on disk, named by what went into them, so that a crash costs one stage.

An entry is a folder. It appears whole or not at all: it is written beside its place and renamed.
Its seal holds the hash of each of its files and its own name; an entry that differs from its seal
is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.errors import OutputError
from edgekit.store.shared import Shared

_FILES, SEAL = "files", "seal.json"
_LOG = logging.getLogger(__name__)


def key(*parts: Any) -> str:
    """A name for what `parts` determine; the same parts give the same name on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A stage of this process: kept from before, or run."""

    kind: str
    title: str
    inputs: Mapping[str, str]
    kept: bool
    seconds: float = 0.0
    """That making it took."""


class Store:
    """A cache on disk: results of stages, by kind and key."""

    def __init__(self, root: Path | None = None) -> None:
        """Opens the cache in `root`, and sweeps what dead processes left there."""
        default = (
            Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "edgekit"
        )
        self.root = root or Path(os.environ.get("EDGEKIT_CACHE", default))
        self._verified: set[Path] = set()
        self.shared = Shared.of_environment()
        """Where entries are looked for besides, and left for others."""
        self.outcomes: list[Outcome] = []
        """The stages of this process so far, in order."""
        scratch.sweep(self.root, below=True)

    def find(self, stage: str, name: str) -> Path | None:
        """The entry's files, verified; `None` where there is none, or none that is whole.

        A damaged entry is removed, and a warning is logged.
        """
        entry = self.root / stage / name
        if not entry.exists():
            return None
        if entry not in self._verified:
            fault = fault_of(entry, stage, name)
            if fault is not None:
                remade(entry, fault)
                with writing(self.root):
                    _remove(entry)
                return None
            self._verified.add(entry)
        with suppress(OSError):  # a cache that is only read has no order of use
            os.utime(entry / SEAL)
        return entry / _FILES

    def fetch(self, stage: str, name: str) -> Path | None:
        """As `find`, of an entry that is taken from the shared cache first.

        Raises `OutputError` where the cache cannot be written.
        """
        if self.shared is None:
            return None
        with writing(self.root):
            place = self.root / stage
            place.mkdir(parents=True, exist_ok=True)
            with scratch.folder(place) as partial:
                if not self.shared.fetch(stage, name, partial):
                    return None
                fault = fault_of(partial, stage, name)
                if fault is not None:
                    remade(Path(f"{self.shared.shown}/{stage}/{name}.tar"), fault)
                    return None
                _on_disk(partial)
                _publish(partial, place / name)
        return self.find(stage, name)

    def publish(self, stage: str, name: str) -> None:
        """Leave an entry in the shared cache, if there is one."""
        if self.shared is not None:
            with writing(self.root):
                self.shared.put(stage, name, self.root / stage / name)

    def adopt(self, stage: str, name: str, folder: Path) -> bool:
        """Take a whole entry that lies in `folder`, where it is not there yet.

        Returns whether it is whole. Raises `OutputError` where the cache cannot be written.
        """
        if fault_of(folder, stage, name) is not None:
            return False
        entry = self.root / stage / name
        with writing(self.root):
            entry.parent.mkdir(parents=True, exist_ok=True)
            _publish(folder, entry)
        return True

    def keep(self, stage: str, name: str, write: Callable[[Path], None]) -> Path:
        """The entry, made by `write(folder)` where it is not there yet.

        Raises `OutputError` where the cache cannot be written.
        """
        found = self.find(stage, name)
        if found is not None:
            return found
        entry = self.root / stage / name
        with writing(self.root):
            entry.parent.mkdir(parents=True, exist_ok=True)
            with scratch.folder(entry.parent) as partial:
                (partial / _FILES).mkdir()
                write(partial / _FILES)
                (partial / SEAL).write_text(json.dumps(_seal(partial, stage, name)))
                _on_disk(partial)
                _publish(partial, entry)
        self._verified.add(entry)
        return entry / _FILES

    def lock_of(self, stage: str, name: str) -> Path:
        """The file that is locked while an entry is made; its folder is made."""
        with suppress(OSError):  # a cache that cannot be written is named on writing
            (self.root / stage).mkdir(parents=True, exist_ok=True)
        return self.root / stage / f".{name}.lock"

    def remove(self, stage: str, name: str) -> None:
        """Remove an entry that is there; raises `OutputError` where that cannot be done."""
        entry = self.root / stage / name
        with writing(self.root):
            _remove(entry)
        self._verified.discard(entry)

    def entries(self, stage: str) -> list[Path]:
        """The files of every whole entry of a stage, in the order of their names."""
        place = self.root / stage
        names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        found = (self.find(stage, name) for name in names if not name.startswith("."))
        return [files for files in found if files is not None]


@contextmanager
def writing(place: Path, what: str = "the cache") -> Iterator[None]:
    """Raise `OutputError`, naming the cache's folder, where a write in the block fails."""
    try:
        yield
    except OSError as error:
        refused = isinstance(error, PermissionError | NotADirectoryError)
        if not (refused or scratch.full(error) or _of(error, place)):
            raise
        raise OutputError(
            f"Cannot write {what} in {place} ({error.strerror or error}). "
            "Free some space there, or set EDGEKIT_CACHE to a folder that can be written."
        ) from error


def remade(path: Path, fault: str) -> None:
    """Say in one line that what is kept at `path` cannot be used."""
    _LOG.warning("The cache is damaged: %s (%s). It is made again.", path, fault)


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _of(error: OSError, place: Path) -> bool:
    """Return whether the error is of a file below `place`."""
    named = error.filename
    return isinstance(named, str | Path) and Path(named).is_relative_to(place)


def _seal(folder: Path, stage: str, name: str) -> dict[str, Any]:
    files = folder / _FILES
    return {
        "entry": [stage, name],
        "files": {
            path.relative_to(files).as_posix(): _mark(path)
            for path in sorted(files.rglob("*"))
            if path.is_symlink() or not path.is_dir()
        },
    }


def _mark(path: Path) -> str:
    return f"-> {path.readlink()}" if path.is_symlink() else digest(path)


def fault_of(entry: Path, stage: str, name: str) -> str | None:
    """The fault of an entry, in words; `None` where it is as it was written."""
    try:
        seal = json.loads((entry / SEAL).read_text("utf-8"))
        found = _seal(entry, stage, name)
    except (OSError, ValueError) as error:
        return f"unreadable: {type(error).__name__}"
    if seal == found:
        return None
    if not isinstance(seal, dict) or not isinstance(seal.get("files"), dict):
        return "its seal is unreadable"
    known, files = seal["files"], found["files"]
    changed = [
        path for path in {**known, **files} if known.get(path) != files.get(path)
    ]
    return f"{changed[0]} is not what was written" if changed else "of another entry"


def _on_disk(folder: Path) -> None:
    """Have every file on the disk before its name is: power may fail in between."""
    for path in (*folder.rglob("*"), folder):
        if path.is_symlink():
            continue
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _publish(partial: Path, entry: Path) -> None:
    try:
        partial.rename(entry)
    except OSError:
        if not entry.is_dir():  # another process was faster
            raise


def _remove(entry: Path) -> None:
    """Out of the way at once, however long removing takes."""
    with scratch.folder(entry.parent) as away:
        entry.rename(away / entry.name)
        shutil.rmtree(away)
