"""A Hugging Face folder as a `Program`, checked against transformers' own network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program import program, tokenizer
from edgekit.program.program import Program
from edgekit.safe_io import reading
from edgekit.sources.huggingface import (
    configuration,
    network,
    sentence,
    tensors,
    texts,
)
from edgekit.sources.huggingface.check import Reference, check
from edgekit.sources.huggingface.files import CONFIG
from edgekit.sources.huggingface.inputs import Taken, taken
from edgekit.sources.torch.weights import check_finite
from edgekit.types import InputSpec

_KIND = "a network of transformers"
_INNER = ("loss", "hidden_states", "attentions", "past_key_values", "cache")
"""Parts of the names of what a network returns beside its outputs."""
_HEADS = ("logits", "pred_")


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A folder's network as transformers has it, and the steps after a sentence's encoder."""

    network: nn.Module
    config: Any
    folder: Path
    """Of the encoder, which may be inside the folder of a sentence's."""
    steps: tuple[sentence.Step, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def encoder(self) -> nn.Module:
        """The network of transformers."""
        inner = self.network
        return inner.encoder if isinstance(inner, sentence.Embedder) else inner


def load(
    folder: Path,
    *,
    inputs: Sequence[InputSpec] = (),
    outputs: Sequence[str] = (),
    fixed: Mapping[str, Any] | None = None,
    allow_pickle: bool = False,
) -> Program:
    """The trainable program of a folder, in float32 and with its tensors' names.

    `inputs` give the number of tokens or the images' size, `outputs` names of what the network
    returns (default: its logits), `fixed` inputs that have one value. Raises `ModelError` for
    damaged folders, for code that they ask for, and where the program computes something else
    than the network in transformers.
    """
    opened = _opened(folder, allow_pickle)
    encoder = opened.encoder
    given = taken(folder, type(encoder), opened.config, inputs, fixed or {})
    check_finite(opened.network, str(folder))
    # Before the network is traced, which takes a hundred times as long.
    place = opened.folder if (opened.folder / tokenizer.FILE).is_file() else folder
    own, said = texts.read(place, given.specs, opened.config)
    with reading(folder, ModelError, kind=_KIND):
        names = _outputs(opened.network, given, folder, outputs)
        takes = [spec.name for spec in given.specs]
        module = network.positional(opened.network, takes, given.fixed, names)
        dtypes = tuple(getattr(torch, s.dtype or "float32") for s in given.specs)
        made = program.trace(module, given.specs, dtypes, owned=True)
        for parameter in made.module.parameters():
            parameter.requires_grad_(True)
    reference = Reference(
        network=encoder, steps=opened.steps, taken=given, outputs=names
    )
    found = check(made, reference, source=str(folder))
    remarks = (found.line(), *given.remarks, *said, *opened.remarks)
    return replace(made, outputs=names, remarks=remarks, tokenizer=own)


def _opened(folder: Path, allow_pickle: bool) -> _Opened:
    """The network of the folder, with what follows an encoder of sentences."""
    steps: tuple[sentence.Step, ...] = ()
    inner = folder
    if (folder / sentence.FILE).is_file():
        inner, steps = sentence.steps(folder)
    path = inner / CONFIG
    found = configuration.read(inner)
    weights = tensors.read(inner, allow_pickle=allow_pickle)
    configuration.bounded(found, len(weights), path)
    config = configuration.configuration(found, path)
    kind = (
        configuration.base_class(config, path)
        if steps
        else configuration.network_class(config, found, path)
    )
    built = network.build(kind, config, weights, inner)
    remarks = () if steps else network.unused_remark(built)
    if any(
        t.is_floating_point() and t.dtype != torch.float32 for t in weights.values()
    ):
        remarks += ("Weights in half precision come in in single precision.",)
    whole = sentence.Embedder(built.network, steps) if steps else built.network
    return _Opened(
        network=whole.eval(), config=config, folder=inner, steps=steps, remarks=remarks
    )


def _outputs(
    module: nn.Module, given: Taken, folder: Path, asked: Sequence[str]
) -> tuple[str, ...]:
    """Names of the outputs to return: those asked for, its logits, or all that it has."""
    example = [
        torch.zeros(2, *spec.shape, dtype=getattr(torch, spec.dtype or "float32"))
        for spec in given.specs
    ]
    names = [spec.name for spec in given.specs]
    with torch.no_grad():
        found = module(**network.named(names, given.fixed, example))
    there = [name for name, value in found.items() if isinstance(value, Tensor)]
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise ModelError(
            f"[model] outputs names '{unknown[0]}', which {folder} does not give. It gives "
            f"{', '.join(there)}."
        )
    heads = [name for name in there if any(head in name for head in _HEADS)]
    outer = [name for name in there if not any(part in name for part in _INNER)]
    return tuple(asked or heads or outer)
