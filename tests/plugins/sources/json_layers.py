"""A toy source: linear layers as numbers in a JSON file, a ReLU between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.program.program import Program, trace
from edgekit.safe_io import read_json, reading
from edgekit.sources import Source
from edgekit.types import InputSpec, ModelSpec

SUFFIX = ".layers.json"


def _load(
    model: ModelSpec,
    *,
    root: Path,
    allow_pickle: bool,
    inputs: Sequence[InputSpec],
    dtypes: Sequence[torch.dtype],
) -> Program:
    path = root / model.source
    if not path.is_file():
        raise ModelError(f"No file {path}. Check [model] source.")
    document = read_json(path, ModelError)
    with reading(path, ModelError, kind="layers"):
        layers = [_layer(each) for each in document["layers"]]
    steps = [step for layer in layers for step in (layer, nn.ReLU())][:-1]
    taken = InputSpec(shape=(layers[0].in_features,))
    return trace(nn.Sequential(*steps).eval(), (taken,))


def _layer(given: dict[str, Any]) -> nn.Linear:
    weight, bias = torch.tensor(given["weight"]), torch.tensor(given["bias"])
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _find(folder: Path) -> str | None:
    return next((p.name for p in sorted(folder.glob(f"*{SUFFIX}"))), None)


RECORD = Source(
    form=f"a file ending in {SUFFIX}",
    recognizes=lambda reference, root: reference.endswith(SUFFIX),
    load=_load,
    find=_find,
    has_weights=True,
    has_inputs=True,
)
