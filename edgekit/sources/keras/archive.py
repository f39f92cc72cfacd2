"""A Keras file of any version as its configuration and its stored weights."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.errors import ModelError
from edgekit.safe_io import (
    TEXT_BYTES,
    check_regular,
    checked_entries,
    parse_json,
    reading,
)
from edgekit.sources.keras import hdf5
from edgekit.sources.keras.hdf5 import Stored

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_KIND = "a Keras model"
_SAVE = "Save the entire model: model.save('model.keras')."


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """`config` is the model's {class_name, config}; `version` Keras's major one.

    `archived` distinguishes a `.keras`, whose weights lie by class and number, from an HDF5
    file, where each layer lists its weights. `backend` computed what Keras 1 stored.
    """

    config: Mapping[str, Any]
    version: int
    stored: Stored
    archived: bool
    backend: str | None = None


def read(path: Path) -> KerasFile:
    """The file at `path`, recognized by its content; raises `ModelError` for any other."""
    check_regular(path, ModelError)
    with reading(path, ModelError, kind=_KIND, fix=_SAVE):
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return _archive(path) if zipped else _hdf5(path)


def _archive(path: Path) -> KerasFile:
    with zipfile.ZipFile(path) as archive, scratch.folder(of="keras") as folder:
        entries = {entry.filename: entry for entry in checked_entries(archive)}
        config = _json(archive, entries, _CONFIG)
        metadata = _json(archive, entries, _METADATA)
        if _WEIGHTS not in entries:
            raise ModelError(f"{path} holds no {_WEIGHTS}. {_SAVE}")
        copy = folder / _WEIGHTS
        copy.write_bytes(archive.read(entries[_WEIGHTS]))
        stored = hdf5.read(copy, path)
    version = _major(metadata.get("keras_version"), 3)
    return KerasFile(config=config, version=version, stored=stored, archived=True)


def _json(
    archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str
) -> dict[str, Any]:
    entry = entries[name]
    if entry.file_size > TEXT_BYTES:
        raise ValueError(f"{name} has {entry.file_size:,} bytes")
    return _mapping(parse_json(archive.read(entry)), name)


def _hdf5(path: Path) -> KerasFile:
    stored = hdf5.read(path)
    root = stored.attributes[""]
    if "model_config" not in root:
        raise ModelError(f"{path} holds weights without their network. {_SAVE}")
    weights = stored.attributes.get("model_weights", {})
    version = root.get("keras_version", weights.get("keras_version"))
    backend = root.get("backend", weights.get("backend"))
    return KerasFile(
        config=_mapping(parse_json(root["model_config"]), "model_config"),
        version=_major(version, 1),
        stored=stored,
        archived=False,
        backend=backend if isinstance(backend, str) else None,
    )


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _major(version: Any, otherwise: int) -> int:
    """Keras's major version; `otherwise` where the file has none, as those of Keras 1."""
    found = re.match(r"(\d)\.", version) if isinstance(version, str) else None
    return int(found[1]) if found else otherwise
