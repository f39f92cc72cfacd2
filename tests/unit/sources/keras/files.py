"""Keras files: those that Keras itself wrote, and ones in the forms of old versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

DATA = Path(__file__).with_name("data")
FILES = sorted(path.name for path in DATA.iterdir() if path.suffix in (".keras", ".h5"))


def stored(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Keras's inputs and outputs of a model, in Keras's own order of dimensions."""
    with np.load(DATA / f"{Path(name).stem}.npz") as arrays:
        count = sum(key.startswith("x") for key in arrays.files)
        inputs = [arrays[f"x{n}"] for n in range(count)]
        outputs = [arrays[f"y{n}"] for n in range(len(arrays.files) - count)]
    return inputs, outputs


def leaves(found: Any) -> list[torch.Tensor]:
    """Tensors in the order in which Keras lists them."""
    if isinstance(found, torch.Tensor):
        return [found]
    each = [found[name] for name in sorted(found)] if isinstance(found, dict) else found
    return [tensor for one in each for tensor in leaves(one)]


def listed(
    path: Path,
    config: Any,
    weights: Mapping[str, Sequence[tuple[str, np.ndarray]]],
    version: str | None,
) -> Path:
    """An HDF5 file as Keras 1 and 2 write it."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = [name.encode() for name in weights]
        if version is not None:
            file.attrs["keras_version"] = version.encode()
            file.attrs["backend"] = b"tensorflow"
        for layer, arrays in weights.items():
            group = top.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name, _ in arrays]
            for name, array in arrays:
                group[name] = array
    return path
