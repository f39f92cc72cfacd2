"""Holds the program of a Keras file against the definitions of its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.sources.keras import reference
from edgekit.sources.keras.reader import KerasModel

_IMAGE = 4
_TABLES = ("Embedding", "CategoryEncoding")


def check(program: Program, model: KerasModel, *, source: str) -> parity.Parity:
    """Run both; raises `ModelError` where they differ."""
    tops = (_tokens(model),) * len(program.inputs)
    return parity.check(program, _Definitions(model=model), source=source, limits=tops)


def _tokens(model: KerasModel) -> int:
    """Rows of the model's smallest table; 2 where it has none."""
    sizes = [
        layer.values.get("input_dim") or layer.values.get("num_tokens")
        for layer in model.graph.walk()
        if layer.kind in _TABLES
    ]
    return min((size for size in sizes if isinstance(size, int)), default=2)


@dataclass(frozen=True, kw_only=True)
class _Definitions:
    """The file's layers by their definitions: a `parity.Reference`."""

    model: KerasModel
    against: str = "Keras's definitions of its layers in NumPy"

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        rows = []
        for inputs in given:
            walk = self._walk(inputs)
            found = [*walk.outputs(), *walk.ends(ends)]
            rows.append([None if y is None else self._moved(y, -1, 1) for y in found])
        return parity.Ran(rows=rows)

    def inner(self, given: parity.Inputs) -> Iterator[parity.Inner]:
        """Each layer's results, in the order of the calls."""
        walk = self._walk(given)
        walk.outputs()
        with torch.no_grad():
            values = self.model.network.values(*given)
        kinds = {layer.name: layer.kind for layer in self.model.graph.layers}
        for ref, value in values.items():
            known = walk.known.get((ref.layer, ref.node))
            if known is not None and kinds[ref.layer] != "InputLayer":
                yield parity.Inner(
                    name=ref.layer,
                    operator=kinds[ref.layer],
                    ours=value.last().numpy(),
                    theirs=known[ref.tensor],
                )

    def _walk(self, given: parity.Inputs) -> reference.Walk:
        arrays = [self._moved(each.numpy(), 1, -1) for each in given]
        return reference.Walk(self.model.graph, self.model.weights, arrays)

    def _moved(self, array: np.ndarray, start: int, end: int) -> np.ndarray:
        """Images between the program's order and the file's."""
        image = self.model.channels_last and array.ndim >= _IMAGE
        return np.moveaxis(array, start, end) if image else array
