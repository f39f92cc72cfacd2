"""A Hugging Face folder: `config.json` and safetensors, read offline and without remote code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.config.folder import walk
from edgekit.errors import ModelError
from edgekit.safe_io import read_json
from edgekit.sources import Source, inputs_of
from edgekit.sources.huggingface.files import CONFIG
from edgekit.types import InputSpec, ModelSpec, Preprocess

if TYPE_CHECKING:
    import torch

    from edgekit.program.program import Program


def _recognizes(reference: str, root: Path) -> bool:
    """A folder whose `config.json` names a kind of network of transformers."""
    path = root / reference / CONFIG
    try:
        if not path.is_file():
            return False
        found = read_json(path, ModelError)
    except (OSError, ValueError):
        return False
    except ModelError:
        # A damaged file is still of such a folder, and its loading reports the damage.
        return any(path.parent.glob("*.safetensors"))
    return isinstance(found, dict) and bool({"model_type", "architectures"} & {*found})


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    from edgekit.sources.huggingface.load import load

    loaded = load(
        root / model.source,
        inputs=inputs_of(model, inputs),
        outputs=model.outputs,
        fixed=model.fixed,
        allow_pickle=allow_pickle,
    )
    if model.weights is not None:
        from edgekit.sources.torch import weights

        weights.apply(loaded.module, model.weights, root, allow_pickle=allow_pickle)
    return loaded


def _find(folder: Path) -> str | None:
    places = (folder, *(place for place in walk(folder) if place.is_dir()))
    found = (place.relative_to(folder).as_posix() for place in places)
    return next((name for name in found if _recognizes(name, folder)), None)


def _preprocess(folder: Path) -> Preprocess | None:
    from edgekit.sources.huggingface.images import preprocess

    return preprocess(folder)


RECORD = Source(
    form="a Hugging Face folder (config.json and model.safetensors)",
    recognizes=_recognizes,
    load=_load,
    find=_find,
    has_weights=True,
    has_inputs=True,
    has_free_sizes=True,
    has_named_tensors=True,
    preprocess=_preprocess,
)
