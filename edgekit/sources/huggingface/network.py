"""The network of a folder, built by transformers from tensors in memory: nothing is fetched."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.safe_io import reading

_KIND = "a network of transformers"
_SPARE = 1 << 24
"""Elements that a network may lack in its folder, so that they are named one by one."""
_BUFFERS = 1 << 28
"""Most elements of tables that a network computes for itself."""
_NAMED = 3
_QUIET = 50
"""Of the levels of logging: critical."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A network, and the names of the folder's tensors that it does not use."""

    network: nn.Module
    unused: tuple[str, ...]


def build(kind: Any, config: Any, tensors: Mapping[str, Tensor], folder: Path) -> Built:
    """A network of the class `kind` in float32, every parameter from `tensors`.

    Raises `ModelError` where parameters are missing or of other shapes.
    """
    options = _without_pooler(kind, tensors)
    with reading(folder, ModelError, kind=_KIND), offline():
        _check_size(kind, config, tensors, options)
        network, found = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
            **options,
        )
    missing = sorted(found["missing_keys"])
    if missing:
        raise ModelError(
            f"{folder} lacks {_few(missing)} of {kind.__name__}, which would be random. "
            "Correct architectures in config.json, or take the trained network's folder."
        )
    return Built(network=network.eval(), unused=tuple(sorted(found["unexpected_keys"])))


def unused_remark(built: Built) -> tuple[str, ...]:
    """The remark on tensors of the folder that the network does not use."""
    if not built.unused:
        return ()
    name = type(built.network).__name__
    return (f"{name} does not use the folder's {_few(built.unused)}.",)


def positional(
    network: nn.Module,
    names: Sequence[str],
    fixed: Mapping[str, int | float | bool],
    outputs: Sequence[str],
) -> nn.Module:
    """A network of the same layers, with inputs by position and the named outputs alone.

    Its parameters keep their names, which a module around it would change.
    """
    kind = type(network)
    made: Any = copy.copy(network)
    made.__class__ = type(kind.__name__, (_Positional, kind), {})
    made.edgekit_inputs = tuple(names)
    made.edgekit_fixed = dict(fixed)
    made.edgekit_outputs = tuple(outputs)
    return made  # type: ignore[no-any-return]


def named(
    names: Sequence[str],
    fixed: Mapping[str, int | float | bool],
    given: Sequence[Tensor],
) -> dict[str, Tensor]:
    """The given inputs by name, and beside them those that are fixed."""
    constant = {n: torch.full_like(given[0], value) for n, value in fixed.items()}
    return {**dict(zip(names, given, strict=True)), **constant}


class _Positional:
    edgekit_inputs: tuple[str, ...]
    edgekit_fixed: dict[str, int | float | bool]
    edgekit_outputs: tuple[str, ...]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        given = named(self.edgekit_inputs, self.edgekit_fixed, inputs)
        found = super().forward(**given)  # type: ignore[misc]
        tensors = tuple(found[name] for name in self.edgekit_outputs)
        return tensors[0] if len(tensors) == 1 else tensors


def _without_pooler(kind: Any, tensors: Mapping[str, Tensor]) -> dict[str, bool]:
    """A network without a head may have been trained without its pooler too."""
    has = any(name.partition("pooler.")[1] for name in tensors)
    if has or "add_pooling_layer" not in inspect.signature(kind.__init__).parameters:
        return {}
    return {"add_pooling_layer": False}


def _check_size(
    kind: Any,
    config: Any,
    tensors: Mapping[str, Tensor],
    options: Mapping[str, bool],
) -> None:
    """Refuse a configuration that asks for more memory than the folder's tensors explain."""
    with torch.device("meta"):
        empty = kind(config, **options)
    asked = sum(parameter.numel() for parameter in empty.parameters())
    there = sum(tensor.numel() for tensor in tensors.values())
    tables = sum(buffer.numel() for buffer in empty.buffers())
    if asked > there + _SPARE or tables > there + _BUFFERS:
        raise ValueError(
            f"config.json describes {asked + tables:,} numbers, and the folder holds {there:,}"
        )


@contextmanager
def offline() -> Iterator[None]:
    """Without progress bars, reports and any way to the network."""
    from huggingface_hub import constants
    from transformers.utils import logging

    before = constants.HF_HUB_OFFLINE, logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    constants.HF_HUB_OFFLINE = True
    logging.set_verbosity(_QUIET)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before[0]
        logging.set_verbosity(before[1])
        if bars:
            logging.enable_progress_bar()


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
