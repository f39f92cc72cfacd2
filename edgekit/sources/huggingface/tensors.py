"""The weights of a folder: one safetensors file, shards with an index, or a checked pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgekit.errors import ModelError
from edgekit.safe_io import check_regular, read_json, reading
from edgekit.sources.torch import weights

WHOLE = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"
"""End of the name of the file that names the shard of each tensor."""


def read(folder: Path, *, allow_pickle: bool) -> dict[str, Tensor]:
    """Every tensor of the folder by its name; safetensors where there are both.

    Raises `ModelError` for damaged or missing files, shards outside the folder, and pickles
    with more than tensors in them unless `allow_pickle`.
    """
    for name in WHOLE:
        if (folder / name).is_file():
            return _file(folder / name, allow_pickle)
        if (folder / f"{name}{INDEX}").is_file():
            return _sharded(folder / f"{name}{INDEX}", allow_pickle)
    raise ModelError(
        f"No weights in {folder}: neither {' nor '.join(WHOLE)}, whole or in shards. "
        "Save the network with save_pretrained()."
    )


def _sharded(index: Path, allow_pickle: bool) -> dict[str, Tensor]:
    files = places(index)
    found: dict[str, Tensor] = {}
    for file in dict.fromkeys(files.values()):
        found |= _file(index.parent / file, allow_pickle)
    missing = sorted(files.keys() - found.keys())
    if missing:
        raise ModelError(
            f"{index} names {missing[0]} in {files[missing[0]]}, which does not hold it. "
            "Fetch the folder's files again."
        )
    return found


def places(index: Path) -> Mapping[str, str]:
    """The file of each tensor, by an index of shards; raises `ModelError` for damaged ones."""
    found = read_json(index, ModelError)
    with reading(index, ModelError, kind="an index of shards"):
        files = found["weight_map"]
        if not isinstance(files, dict) or not files:
            raise ValueError("weight_map is not an object with the files of tensors")
        for file in files.values():
            if not isinstance(file, str) or Path(file).name != file:
                raise ValueError(f"{file!r:.60} is not a file of the folder")
        return files


def _file(path: Path, allow_pickle: bool) -> dict[str, Tensor]:
    check_regular(path, ModelError)
    found: Any = weights.read_file(path, allow_pickle=allow_pickle)
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds no tensors by name.")
    others = [n for n, t in found.items() if not isinstance(t, Tensor)]
    if others:
        raise ModelError(f"{path}: {others[0]!r:.60} is not a tensor.")
    return dict(found)
