"""Takes an HDF5 file apart: run as a script, in a process of its own, by `hdf5.py`.

    python hdf5_child.py FILE FOLDER MOST_BYTES

HDF5 is a large library in C, and a damaged file can end the process that reads it. This one needs
nothing of the package, and writes what the file holds in plain forms: `index.json` (text
attributes of each group, the paths of the data sets in order) and `arrays.npz`. Links to other
files, data kept in other files, and anything but numbers are refused, and so is what unpacks to
more than MOST_BYTES. The reason is the last line of standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MOST_OBJECTS = 100_000
MOST_DEPTH = 64


class Refused(Exception):
    """The fault of the file, as part of a line."""


class Walk:
    """Collects the groups' attributes and the arrays of an open file."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.objects = 0
        self.attributes: dict[str, dict[str, Any]] = {}
        self.arrays: dict[str, Any] = {}

    def group(self, group: Any, path: str, depth: int) -> None:
        """Read a group and its members; raises for too many or too deep ones."""
        self.objects += 1
        if depth > MOST_DEPTH or self.objects > MOST_OBJECTS:
            raise Refused("it holds too many groups")
        self.attributes[path] = {
            str(name): value
            for name in group.attrs
            if (value := _text(group.attrs[name])) is not None
        }
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"{name[:60]!r} is a link to another place or file")
            inner = f"{path}/{name}" if path else str(name)
            found = group[name]
            if isinstance(found, h5py.Group):
                self.group(found, inner, depth + 1)
            elif isinstance(found, h5py.Dataset):
                self.arrays[inner] = self.array(found, inner)

    def array(self, found: Any, path: str) -> Any:
        """Read an array; raises for external or virtual ones."""
        self.objects += 1
        if found.external or found.is_virtual:
            raise Refused(f"the data of {path[:60]!r} are in another file")
        if found.dtype.kind not in "fiub" or found.shape is None:
            raise Refused(f"{path[:60]!r} holds {found.dtype}, not numbers")
        self.most -= int(
            np.prod([float(n) for n in found.shape]) * found.dtype.itemsize
        )
        if self.most < 0:
            raise Refused("it unpacks to more than this machine's memory")
        return np.asarray(found[()]).astype(found.dtype.newbyteorder("="))


def _text(value: Any) -> Any:
    """An attribute that is text or a list of texts, else None."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "SOU":
        return [_text(each) for each in value.reshape(-1).tolist()]
    return None


def main() -> None:
    """Read the file that the command line names."""
    source, folder, most = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    walk = Walk(most)
    try:
        with h5py.File(source, "r") as file:
            walk.group(file, "", 0)
    except Exception as fault:  # noqa: BLE001 (the library raises many kinds; all are the file's)
        sys.exit(" ".join((str(fault) or type(fault).__name__).split())[:160])
    numbered = {str(n): array for n, array in enumerate(walk.arrays.values())}
    np.savez(folder / "arrays.npz", **numbered)
    index = {"attributes": walk.attributes, "arrays": list(walk.arrays)}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


if __name__ == "__main__":
    main()
