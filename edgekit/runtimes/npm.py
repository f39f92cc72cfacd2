"""Packages of npm, each with the hash that a lock file names, kept in the store.

A lock is a folder with `package.json` and `package-lock.json`. It holds versions and hashes, and no
address of a registry: npm uses the one that it is set up for.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.errors import RuntimeMissing
from edgekit.store import Store, key

_LOCK = "package-lock.json"
_TIMEOUT_S = 900


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One package of a lock."""

    name: str
    version: str
    license: str | None
    sha512: str
    """Of its archive, in hex."""


def locked(folder: Path) -> tuple[Locked, ...]:
    """The packages of the lock in `folder`, by name."""
    entries: dict[str, Any] = json.loads((folder / _LOCK).read_text("utf-8"))[
        "packages"
    ]
    return tuple(
        Locked(
            name=place.rpartition("node_modules/")[2],
            version=entry["version"],
            license=entry.get("license"),
            sha512=_hex(entry["integrity"]),
        )
        for place, entry in sorted(entries.items())
        if place and not entry.get("optional")
    )


def version(folder: Path, package: str) -> str:
    """The version that the lock in `folder` has of `package`."""
    return next(one.version for one in locked(folder) if one.name == package)


def installed(folder: Path, files: Sequence[str], store: Store) -> Path:
    """A folder with `files` of the packages that the lock in `folder` names.

    `files` are paths or patterns below `node_modules`. Nothing of a package is run. Raises
    `RuntimeMissing` without npm, or where it cannot fetch them.
    """
    name = key((folder / _LOCK).read_text("utf-8"), sorted(files))

    def write(place: Path) -> None:
        with scratch.folder() as whole:
            _install(folder, whole)
            for pattern in files:
                found = (whole / "node_modules").glob(pattern)
                for file in filter(Path.is_file, found):
                    copy = place / file.relative_to(whole / "node_modules")
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, copy)

    return store.keep("npm", name, write)


def missing() -> str | None:
    """Why packages of npm cannot be fetched here, in words; `None` where they can."""
    if shutil.which("npm") is None:
        return "npm is not installed (apt-get install npm)"
    return None


def _install(folder: Path, place: Path) -> None:
    absent = missing()
    if absent is not None:
        raise RuntimeMissing(f"Fetching the runtime of web pages needs npm: {absent}.")
    for name in ("package.json", _LOCK):
        shutil.copyfile(folder / name, place / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command,
            cwd=place,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeMissing(
            f"npm did not fetch the packages of {folder} within {_TIMEOUT_S} s. "
            "Check the registry it is set up for."
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "npm error" in line]
        last = (lines or done.stderr.splitlines() or ["no message"])[0]
        raise RuntimeMissing(
            f"npm cannot fetch the packages of {folder} ({last.strip()[:200]}). "
            "Check the registry it is set up for."
        )


def _hex(integrity: str) -> str:
    return base64.b64decode(integrity.removeprefix("sha512-")).hex()
