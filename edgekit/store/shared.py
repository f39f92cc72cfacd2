"""A second level of the cache, for teams and CI: a folder, or any URL that fsspec opens.

An entry is one tar file with its seal inside: it appears whole or not at all, and is verified as
every entry is. A shared cache that fails is reported once, and the build goes on without it.
"""

from __future__ import annotations

import logging
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgekit import scratch

SHARED = "EDGEKIT_SHARED_CACHE"
"""Environment variable: the folder or the URL."""
_LOG = logging.getLogger(__name__)


class Shared:
    """The entries that others can read."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._away = False
        self._asked: set[tuple[str, str]] = set()

    @classmethod
    def of_environment(cls) -> Shared | None:
        """The one that the environment names, if any."""
        address = os.environ.get(SHARED, "").strip()
        return cls(address) if address else None

    @property
    def shown(self) -> str:
        """The address without a password."""
        parts = urlsplit(self.address)
        if "@" not in parts.netloc:
            return self.address
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def fetch(self, stage: str, name: str, folder: Path) -> bool:
        """Unpack an entry into `folder`, as it is; returns whether it was there.

        Each is looked for once: one that turns out damaged is made again.
        """
        if (stage, name) in self._asked:
            return False
        self._asked.add((stage, name))
        packed = folder / "entry.tar"
        if not self._tried(lambda: self._read(f"{stage}/{name}.tar", packed)):
            return False
        damaged = suppress(tarfile.TarError, EOFError, ValueError)  # the seal shows it
        with damaged, tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
        packed.unlink()
        return True

    def put(self, stage: str, name: str, entry: Path) -> None:
        """Write an entry, over one that is there."""

        def write() -> bool:
            with scratch.folder(entry.parent) as place:
                packed = place / "entry.tar"
                with tarfile.open(packed, "w") as archive:
                    for part in sorted(entry.iterdir()):
                        archive.add(part, arcname=part.name)
                self._write(packed, f"{stage}/{name}.tar")
            return True

        self._tried(write)

    def holds(self, stage: str, name: str) -> bool:
        """Return whether an entry is there, and can be read."""

        def there() -> bool:
            self._check()
            system, root = self._place
            return bool(system.exists(f"{root}/{stage}/{name}.tar"))

        return self._tried(there)

    def size(self) -> tuple[int, int]:
        """Number of entries, and their bytes; raises what the file system raises."""
        self._check()
        system, root = self._place
        found = system.find(root, detail=True).items()
        sizes = [one["size"] for path, one in found if path.endswith(".tar")]
        return len(sizes), sum(sizes)

    def _tried(self, what: Callable[[], bool]) -> bool:
        """The result of `what`; after the first failure, which is reported, always `False`."""
        if self._away:
            return False
        try:
            return what()
        except Exception as error:  # noqa: BLE001 (file systems have errors of their own)
            self._away = True
            lines = str(error).strip().splitlines() or [type(error).__name__]
            _LOG.warning(
                "The shared cache %s cannot be used (%s). The build goes on without it.",
                self.shown,
                lines[0],
            )
            return False

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system, and the folder in it."""
        from fsspec.core import url_to_fs

        system, root = url_to_fs(self.address)
        return system, str(root)

    @property
    def _folder(self) -> Path | None:
        """The folder on this machine's disks, if that is what it is."""
        system, root = self._place
        protocols = system.protocol
        return Path(root) if "file" in protocols or "local" in protocols else None

    def _check(self) -> None:
        """Raise `FileNotFoundError` for a folder that is not there: its disk may be away."""
        folder = self._folder
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")

    def _read(self, name: str, file: Path) -> bool:
        self._check()
        system, root = self._place
        if not system.exists(f"{root}/{name}"):
            return False
        system.get_file(f"{root}/{name}", str(file))
        return True

    def _write(self, file: Path, name: str) -> None:
        self._check()
        folder, (system, root) = self._folder, self._place
        if folder is None:  # an object appears whole
            system.put_file(str(file), f"{root}/{name}")
            return
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        with scratch.replacing(place) as partial:
            shutil.copyfile(file, partial)
