"""A TensorFlow SavedModel: a folder with `saved_model.pb`, converted by TensorFlow and tf2onnx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import walk
from edgekit.errors import ModelError
from edgekit.sources import Source, inputs_of
from edgekit.types import InputSpec, ModelSpec

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program

GRAPH = "saved_model.pb"


def split(reference: str, root: Path) -> tuple[Path, str]:
    """The folder that `folder#signature` names, and the signature; empty where none is named."""
    name, mark, signature = reference.rpartition("#")
    if mark and not (root / reference).is_dir():
        return root / name, signature
    return root / reference, ""


def _recognizes(reference: str, root: Path) -> bool:
    try:
        return (split(reference, root)[0] / GRAPH).is_file()
    except (OSError, ValueError):
        return False


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.tensorflow.load import load

    folder, signature = split(model.source, root)
    if model.weights is not None:
        raise ModelError(
            f"{folder} has its weights in it. Remove [model] weights or --weights."
        )
    return load(
        folder,
        signature=signature,
        inputs=inputs_of(model, inputs),
        outputs=model.outputs,
        fixed=model.fixed,
    )


def _find(folder: Path) -> str | None:
    places = (folder, *(place for place in walk(folder) if place.is_dir()))
    found = (place.relative_to(folder).as_posix() for place in places)
    return next((name for name in found if _recognizes(name, folder)), None)


RECORD = Source(
    form=f"a TensorFlow SavedModel (a folder with {GRAPH})",
    recognizes=_recognizes,
    load=_load,
    find=_find,
    has_weights=True,
    has_inputs=True,
    has_free_sizes=True,
    has_named_tensors=True,
)
