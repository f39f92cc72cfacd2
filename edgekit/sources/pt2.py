"""A network that `torch.export` saved: a `.pt2` file, weights and input shapes in it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import first_file
from edgekit.sources import Source, check_inputs, file_of, names_or_holds
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
    loaded = program.load(path, allow_pickle=allow_pickle)
    check_inputs(model, loaded, path)
    if model.weights is not None:
        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    weights.check_finite(loaded.module, str(path))
    return loaded


RECORD = Source(
    form=f"a file ending in {SUFFIX}",
    recognizes=lambda name, root: names_or_holds(name, root, (SUFFIX,), _holds),
    load=_load,
    find=lambda folder: first_file(folder, (SUFFIX,)),
    has_weights=True,
    has_inputs=True,
)
