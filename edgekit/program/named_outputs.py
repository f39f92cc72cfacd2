"""Outputs of a network by name, and those of them that a task reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from edgekit.errors import ModelError

Reads = tuple[int, ...]
"""Numbers of the outputs that a task reads: one, or those of boxes and of their scores, which are
joined; none where nothing is chosen, and the network has one output."""
_Path = tuple[str | int, ...]


def tensors(result: Any) -> tuple[Tensor, ...]:
    """The tensors that a network returned, in their order."""
    return tuple(
        each for each in pytree.tree_leaves(result) if isinstance(each, Tensor)
    )


def names(result: Any) -> tuple[str, ...]:
    """A name for each tensor: `logits`, or `heads.boxes` where it lies deeper; `heads.0` of a list
    in a dictionary. Empty where the author names none of them."""
    paths = list(_paths(result, ()))
    if not any(isinstance(part, str) for path in paths for part in path):
        return ()
    return tuple(".".join(map(str, path)) for path in paths)


def count(module: fx.GraphModule) -> int:
    """Number of tensors that a program's graph returns."""
    [end] = module.graph.find_nodes(op="output")
    return sum(isinstance(leaf, fx.Node) for leaf in pytree.tree_leaves(end.args[0]))


def numbered(count: int) -> tuple[str, ...]:
    """Names of the outputs of a network that has none: `output`, or `output_0`, ..."""
    return ("output",) if count == 1 else tuple(f"output_{n}" for n in range(count))


def read(found: Sequence[Tensor], reads: Reads, known: Sequence[str]) -> Tensor:
    """The output that a task reads of those `found`, whose names are `known`.

    Raises `ModelError` where there are several and none is chosen.
    """
    if not reads and len(found) != 1:
        raise ModelError(
            f"The network returns {len(found)} outputs ({', '.join(known)}), and the task needs "
            f'one tensor. Name the one it reads: [task] output = "{known[0] if known else ""}".'
        )
    return joined([found[number] for number in reads or (0,)])


def joined(parts: Sequence[Tensor]) -> Tensor:
    """One output as it is; boxes (batch, places, 4) and scores (batch, places, classes), or
    (batch, places) of one class, as (batch, places, 4 + classes)."""
    if len(parts) == 1:
        return parts[0]
    boxes, scores = parts
    if scores.ndim == 2:
        scores = scores.unsqueeze(-1)
    if boxes.ndim != 3 or boxes.shape[2] % 4 or scores.shape[:-1] != boxes.shape[:-1]:
        raise ModelError(
            f"The boxes have shape {list(boxes.shape[1:])} a sample and the scores "
            f"{list(scores.shape[1:])}. A detector gives boxes (batch, places, 4) and scores "
            "(batch, places, classes). Check [task] boxes and scores."
        )
    return torch.cat([boxes, scores.to(boxes.dtype)], dim=-1)


def _paths(value: Any, above: _Path) -> Iterator[_Path]:
    """Where each tensor of a result lies."""
    if isinstance(value, Tensor):
        yield above
    for key, inner in _parts(value):
        yield from _paths(inner, (*above, key))


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
