"""A Core ML package as one file: its folder in an archive, not compressed, the same every time."""

from __future__ import annotations

import json
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path

FOLDER = ".mlpackage"
MANIFEST = "Manifest.json"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
_DATE = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, path: Path) -> None:
    """Write the package `folder` as `path`, named by it inside."""
    files = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    files[MANIFEST] = _settled(files[MANIFEST])
    write(path, name_for(path), files.items())


def write(path: Path, name: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files by their path in the package `name`, the manifest first."""
    ordered = sorted(files, key=lambda one: (one[0] != MANIFEST, one[0]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for inside, content in ordered:
            entry = zipfile.ZipInfo(f"{name}/{inside}", _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def read(path: Path) -> dict[str, bytes]:
    """Files by their path in the package."""
    with zipfile.ZipFile(path) as archive:
        return {
            name.partition("/")[2]: archive.read(name) for name in archive.namelist()
        }


def name_for(path: Path) -> str:
    """The name of the package inside of an archive at `path`."""
    return f"{path.name.partition('.')[0]}{FOLDER}"


def _settled(manifest: bytes) -> bytes:
    """The manifest with identifiers by its entries' paths, which are drawn otherwise."""
    document = json.loads(manifest)
    entries = document["itemInfoEntries"]
    known = {
        name: str(uuid.uuid5(uuid.NAMESPACE_URL, one["path"])).upper()
        for name, one in entries.items()
    }
    document["itemInfoEntries"] = {known[name]: one for name, one in entries.items()}
    root = document["rootModelIdentifier"]
    document["rootModelIdentifier"] = known[root]
    return json.dumps(document, indent=4, sort_keys=True).encode()
