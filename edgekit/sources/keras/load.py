"""A Keras file as a `Program`, checked against the definitions of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.program import Program
from edgekit.safe_io import reading
from edgekit.sources.keras import reader
from edgekit.sources.keras.check import check
from edgekit.sources.keras.config import Ref, references
from edgekit.sources.keras.custom import Objects, remark
from edgekit.sources.keras.reader import KerasModel
from edgekit.types import InputSpec

_KIND = "a Keras model"


def load(
    path: Path, inputs: Sequence[InputSpec] = (), objects: Objects | None = None
) -> Program:
    """The trainable program of a file; `inputs` give sizes that it leaves free, `objects` the
    author's own layers.

    Images have their channels first, as every program takes and gives them. Raises `ModelError`
    for unreadable files, and where the program computes something else than the file.
    """
    model = reader.read(path, inputs, objects)
    dtypes = tuple(getattr(torch, spec.dtype or "float32") for spec in model.inputs)
    with reading(path, ModelError, kind=_KIND):
        _try_once(model, dtypes)
        made = program.trace(model.network, model.inputs, dtypes, owned=True)
        for parameter in made.module.parameters():
            parameter.requires_grad_(True)
        found = check(made, model, source=str(path))
    remarks = (found.line(), *remark(model.graph))
    return replace(made, outputs=_names(model.graph.outputs), remarks=remarks)


def _names(outputs: Any) -> tuple[str, ...]:
    """Names of the file's outputs: their keys, or the layers that they come from."""
    if isinstance(outputs, dict) and all(isinstance(v, Ref) for v in outputs.values()):
        return tuple(outputs)
    layers = [ref.layer for ref in references(outputs)]
    multiple = {name: layers.count(name) > 1 for name in layers}
    return tuple(
        f"{name}_{n}" if multiple[name] else name for n, name in enumerate(layers)
    )


def _try_once(model: KerasModel, dtypes: Sequence[torch.dtype]) -> None:
    """Run the network on tensors without values: sizes that do not fit fail here, by layer."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        example = [
            torch.zeros(1, *spec.shape, dtype=dtype)
            for spec, dtype in zip(model.inputs, dtypes, strict=True)
        ]
        model.network(*example)
