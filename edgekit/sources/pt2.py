"""A network that `torch.export` saved: a `.pt2` file, weights and input shapes in it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import first_file
from edgekit.errors import ModelError
from edgekit.sources import Source, check_inputs, file_of, inputs_of, names_or_holds
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

SUFFIX = ".pt2"
_PROGRAM = "/models/model.json"


def _holds(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(_PROGRAM) for name in archive.namelist())


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.program import program
    from edgekit.sources.torch import weights

    path = file_of(model, root)
    sizes = inputs_of(model, inputs)
    loaded = program.load(path, sizes=sizes, allow_pickle=allow_pickle)
    check_inputs(model, loaded, path)
    _check_sizes(inputs, loaded, path)
    if model.weights is not None:
        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    weights.check_finite(loaded.module, str(path))
    return loaded


def _check_sizes(given: Sequence[InputSpec], loaded: Program, path: Path) -> None:
    """Raise `ModelError` where a caller gives other sizes than the file fixes."""
    for one, found in zip(given, loaded.inputs, strict=False):
        if one.shape != found.shape:
            raise ModelError(
                f"{path} takes input shape {list(found.shape)} (images channels first), and "
                f"{list(one.shape)} is given. Leave it out or correct it."
            )


RECORD = Source(
    form=f"a file ending in {SUFFIX}",
    recognizes=lambda name, root: names_or_holds(name, root, (SUFFIX,), _holds),
    load=_load,
    find=lambda folder: first_file(folder, (SUFFIX,)),
    has_weights=True,
    has_inputs=True,
    has_free_sizes=True,
)
