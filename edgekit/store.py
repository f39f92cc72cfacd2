"""Finished stages on disk, named by what went into them, so that a crash costs one stage.

An entry is a folder. It appears whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.errors import OutputError


def key(*parts: Any) -> str:
    """A name for what `parts` determine; the same parts give the same name on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Store:
    def __init__(self, root: Path | None = None) -> None:
        default = (
            Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "edgekit"
        )
        self.root = root or Path(os.environ.get("EDGEKIT_CACHE", default))

    def find(self, stage: str, name: str) -> Path | None:
        folder = self.root / stage / name
        return folder if folder.is_dir() else None

    def keep(self, stage: str, name: str, write: Callable[[Path], None]) -> Path:
        """The entry, made by `write(folder)` where it is not there yet."""
        folder = self.root / stage / name
        if folder.is_dir():
            return folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        except OSError as error:
            raise OutputError(
                f"Cannot write the cache {self.root} ({error.strerror}). "
                "Set EDGEKIT_CACHE to a folder that can be written."
            ) from error
        try:
            write(partial)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            if not folder.is_dir():
                raise
        return folder
