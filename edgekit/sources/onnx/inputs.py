"""Seeded inputs by which a file and its program are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgekit.sources.onnx.borders import Borders, Input
from edgekit.sources.onnx.graph import Graph

Draw = Callable[[np.random.Generator, tuple[int, ...]], Any]

REAL: tuple[Draw, ...] = (
    lambda chance, shape: chance.standard_normal(shape),
    lambda chance, shape: chance.uniform(0, 255, shape),
    lambda chance, shape: 5 * chance.standard_normal(shape),
)
"""Kinds of real numbers; the later ones are for networks that give nearly nothing for the first."""
_PASSED_ON = (
    "Cast",
    "Identity",
    "Unsqueeze",
    "Squeeze",
    "Reshape",
    "Flatten",
    "Transpose",
)


def drawn(
    borders: Borders, graph: Graph, size: int, *, kind: int = 0
) -> tuple[Tensor, ...]:
    """Inputs for `size` samples: real numbers of a kind, and whole ones that the file can take."""
    chance = np.random.default_rng(kind)
    return tuple(_drawn(each, graph, size, chance, kind) for each in borders.inputs)


def _drawn(
    each: Input, graph: Graph, size: int, chance: np.random.Generator, kind: int
) -> Tensor:
    shape = (size, *each.shape)
    if each.dtype.is_floating_point:
        return torch.from_numpy(REAL[kind](chance, shape)).float()
    if each.dtype == torch.bool:
        return torch.from_numpy(chance.integers(0, 2, shape) > 0)
    limit = 256 if each.dtype == torch.uint8 else _limit(graph, each.name)
    return torch.from_numpy(chance.integers(0, limit, shape)).to(each.dtype)


def _limit(graph: Graph, name: str) -> int:
    """Rows of the smallest table that an input picks from; 2 where it picks from none."""
    names, found = {name}, []
    for node in graph.nodes:
        taken = [n for n, value in enumerate(node.inputs) if value in names]
        if node.kind == "Gather" and taken == [1] and node.inputs[0] in graph.constants:
            table = graph.constants[node.inputs[0]]
            found.append(table.shape[node.attributes.get("axis", 0)])
        elif taken and node.kind in _PASSED_ON and 0 in taken:
            names.update(node.outputs)
    return int(min(found, default=2))
