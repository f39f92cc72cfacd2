"""A TensorFlow Lite model: a `.tflite` file, read by a reader of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import first_file
from edgekit.sources import Source, check_inputs, file_of, names_or_holds
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

SUFFIX = ".tflite"
_MAGIC = b"TFL3"


def _holds(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == _MAGIC


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.tflite.load import load

    path = file_of(model, root)
    loaded = load(path)
    check_inputs(model, loaded, path)
    if model.weights is not None:
        from edgekit.sources.torch import weights

        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    return loaded


RECORD = Source(
    form=f"a file ending in {SUFFIX}",
    recognizes=lambda name, root: names_or_holds(name, root, (SUFFIX,), _holds),
    load=_load,
    find=lambda folder: first_file(folder, (SUFFIX,)),
    has_weights=True,
    has_inputs=True,
)
