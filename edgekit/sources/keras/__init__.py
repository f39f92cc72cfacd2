"""A Keras model: `.h5`, `.hdf5` or `.keras` of Keras 1, 2 or 3, read without Keras."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import first_file
from edgekit.sources import Source, file_of, inputs_of, names_or_holds
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

SUFFIXES = (".keras", ".h5", ".hdf5")
_MAGIC = b"\x89HDF\r\n\x1a\n"
_WEIGHTS = "model.weights.h5"


def _holds(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return True
    with zipfile.ZipFile(path) as archive:
        return _WEIGHTS in archive.namelist()


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.keras.custom import objects
    from edgekit.sources.keras.load import load

    own = objects(model.custom_objects, root)
    loaded = load(file_of(model, root), inputs_of(model, inputs), own)
    if model.weights is not None:
        from edgekit.sources.torch import weights

        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    return loaded


RECORD = Source(
    form="a Keras model (.keras, .h5, .hdf5)",
    recognizes=lambda name, root: names_or_holds(name, root, SUFFIXES, _holds),
    load=_load,
    find=lambda folder: first_file(folder, SUFFIXES),
    has_weights=True,
    has_inputs=True,
    has_free_sizes=True,
    has_custom_objects=True,
)
