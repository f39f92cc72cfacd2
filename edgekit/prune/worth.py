"""What a choice of widths and blocks keeps: the planner's objective.

The sum over layers of log(share of importance kept). A dropped block counts with the share of the
stream that is still explained without it, once for each of its layers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.prune.blocks import Block
from edgekit.prune.graph import Group, WidthGraph
from edgekit.prune.propagate import attribute

Importance = Mapping[str, np.ndarray[Any, Any]]
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Worth:
    """`importance` scores units by group; `explained` is a share by block."""

    graph: WidthGraph
    importance: Importance
    explained: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = {}
        for name, scores in self.importance.items():
            ordered = np.sort(np.maximum(scores, 0))[::-1] + _LEAST / len(scores)
            shares[name] = np.cumsum(ordered) / np.sum(ordered)
        object.__setattr__(self, "_shares", shares)

    def of_width(self, group: Group, width: int) -> float:
        """Log of the importance that a group keeps, for each layer that writes it."""
        share = self._shares[group.id][width - 1]  # type: ignore[attr-defined]
        return layers(group) * math.log(share)

    def of_dropping(self, name: str) -> float:
        """Log of what a block's stream explains alone, for each layer of the block."""
        block = next(block for block in self.graph.blocks if block.id == name)
        share = min(1.0, max(_LEAST, self.explained[name]))
        return block_layers(self.graph, block) * math.log(share)

    def total(self, widths: Mapping[str, int], dropped: Collection[str] = ()) -> float:
        """The objective; a group that is not named is whole."""
        groups = sum(
            self.of_width(group, widths.get(group.id, group.units))
            for group in self.graph.groups
        )
        return groups + sum(self.of_dropping(name) for name in dropped)

    def kept(self, widths: Mapping[str, int], dropped: Collection[str] = ()) -> float:
        """The geometric mean over all layers of the share kept: 1 is the whole network."""
        count = sum(layers(group) for group in self.graph.groups)
        return math.exp(self.total(widths, dropped) / max(1, count))


def layers(group: Group) -> int:
    """How many layers write this dimension: what the group's importance is worth."""
    writers = {slot.parameter for slot in group.slots if slot.dim == 0}
    return max(1, len([name for name in writers if name.endswith("weight")]))


def block_layers(graph: WidthGraph, block: Block) -> int:
    """How many layers (matrices and kernels) leave with a block."""
    module = graph.program.module
    matrices = [n for n in block.parameters if attribute(module, n).dim() > 1]
    return max(1, len(matrices))
