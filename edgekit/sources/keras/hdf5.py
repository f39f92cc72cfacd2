"""An HDF5 file as plain text and arrays, read in a process of its own."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edgekit import child, scratch
from edgekit.errors import ModelError, RuntimeMissing
from edgekit.safe_io import check_regular, read_arrays, read_json

_FRACTION = 3
"""A part of free memory that a file may unpack to; it is held twice for a moment."""
_BYTES_PER_S = 20_000_000
_SECONDS = 10
_WALL = 6
"""Wall time a second of processor time, where other work is on the machine."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """`attributes` of each group, text or lists of it; `arrays` by path, in the file's order."""

    attributes: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, np.ndarray]

    def texts(self, group: str, name: str) -> list[str] | None:
        """A list of texts, which Keras cuts in pieces (`name0`, `name1`) where it is long."""
        found = self.attributes.get(group, {})
        if name in found:
            return list(found[name])
        pieces: list[str] = []
        while f"{name}{len(pieces)}" in found:
            pieces.append(f"{name}{len(pieces)}")
        return [text for piece in pieces for text in found[piece]] if pieces else None


def read(path: Path, shown: Path | None = None) -> Stored:
    """The content of the file; `shown` is the file's name for the user, where `path` is a copy.

    Raises `ModelError` for what is damaged, holds other things than numbers and text, or does not
    fit into memory, and `RuntimeMissing` without h5py.
    """
    shown = shown or path
    if find_spec("h5py") is None:
        raise RuntimeMissing("Keras files need h5py: pip install h5py.")
    check_regular(path, ModelError)
    with scratch.folder(of="hdf5") as folder:
        _take_apart(path, shown, folder)
        index = read_json(folder / "index.json", ModelError)
        arrays = read_arrays(folder / "arrays.npz", ModelError)
    named = {name: arrays[str(n)] for n, name in enumerate(index["arrays"])}
    return Stored(attributes=index["attributes"], arrays=named)


def _take_apart(path: Path, shown: Path, folder: Path) -> None:
    seconds = _SECONDS + path.stat().st_size // _BYTES_PER_S
    most = psutil.virtual_memory().available // _FRACTION
    script = str(Path(__file__).with_name("hdf5_child.py"))
    command = child.python(script, str(path.resolve()), str(folder), str(most))
    try:
        done = subprocess.run(
            command,
            env=child.environment(
                HDF5_PLUGIN_PRELOAD="::", HDF5_USE_FILE_LOCKING="FALSE"
            ),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds * _WALL,
            preexec_fn=lambda: _limit(seconds),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(shown, "reading it does not end") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        listed = done.returncode > 0 and lines
        raise _refused(shown, lines[-1] if listed else "it is damaged")


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refused(path: Path, why: str) -> ModelError:
    return ModelError(
        f"Cannot read {path} as an HDF5 file of Keras ({why.rstrip('.')}). "
        "Save the model again: model.save('model.keras')."
    )
