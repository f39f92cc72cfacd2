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
_INDEX = ".index.json"


def read(folder: Path, *, allow_pickle: bool) -> dict[str, Tensor]:
    """Every tensor of the folder by its name; safetensors where there are both.

    Raises `ModelError` for damaged or missing files, shards outside the folder, and pickles
    with more than tensors in them unless `allow_pickle`.
    """
    for name in WHOLE:
        if (folder / name).is_file():
            return _file(folder / name, allow_pickle)
        if (folder / f"{name}{_INDEX}").is_file():
            return _sharded(folder / f"{name}{_INDEX}", allow_pickle)
    raise ModelError(
        f"No weights in {folder}: neither {' nor '.join(WHOLE)}, whole or in shards. "
        "Save the network with save_pretrained()."
    )


def _sharded(index: Path, allow_pickle: bool) -> dict[str, Tensor]:
    places = _places(index)
    found: dict[str, Tensor] = {}
    for file in dict.fromkeys(places.values()):
        found |= _file(index.parent / file, allow_pickle)
    missing = sorted(places.keys() - found.keys())
    if missing:
        raise ModelError(
            f"{index} names {missing[0]} in {places[missing[0]]}, which does not hold it. "
            "Fetch the folder's files again."
        )
    return found


def _places(index: Path) -> Mapping[str, str]:
    found = read_json(index, ModelError)
    with reading(index, ModelError, kind="an index of shards"):
        places = found["weight_map"]
        if not isinstance(places, dict) or not places:
            raise ValueError("weight_map is not an object with the files of tensors")
        for file in places.values():
            if not isinstance(file, str) or Path(file).name != file:
                raise ValueError(f"{file!r:.60} is not a file of the folder")
        return places


def _file(path: Path, allow_pickle: bool) -> dict[str, Tensor]:
    check_regular(path, ModelError)
    found: Any = weights.read_file(path, allow_pickle=allow_pickle)
    if not isinstance(found, Mapping) or not found:
        raise ModelError(f"{path} holds no tensors by name.")
    others = [n for n, t in found.items() if not isinstance(t, Tensor)]
    if others:
        raise ModelError(f"{path}: {others[0]!r:.60} is not a tensor.")
    return dict(found)
