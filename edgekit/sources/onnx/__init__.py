"""A trained network in an ONNX file, read by walking its graph in torch calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import first_file
from edgekit.errors import ModelError
from edgekit.sources import Source, file_of, inputs_of
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

SUFFIX = ".onnx"


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.onnx.loading import load

    path = file_of(model, root)
    if model.weights is not None:
        raise ModelError(
            f"{path} has its weights in it. Remove [model] weights or --weights."
        )
    given = inputs_of(model, inputs)
    return load(path, inputs=given, outputs=model.outputs, fixed=model.fixed)


RECORD = Source(
    form=f"a file ending in {SUFFIX}",
    recognizes=lambda reference, root: reference.endswith(SUFFIX),
    load=_load,
    find=lambda folder: first_file(folder, (SUFFIX,)),
    has_weights=True,
    has_inputs=True,
    has_free_sizes=True,
    has_named_tensors=True,
)
