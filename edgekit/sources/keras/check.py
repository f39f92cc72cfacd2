"""Holds the program of a Keras file against the definitions of its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.sources.keras import reference
from edgekit.sources.keras.reader import KerasModel

_AGAINST = "Keras's definitions of its layers in NumPy"
_IMAGE = 4


def check(program: Program, model: KerasModel, *, source: str) -> parity.Parity:
    """Run both; raises `ModelError` where they differ."""

    def run(inputs: parity.Arrays, bare: Sequence[bool]) -> list[np.ndarray]:
        given = [_moved(each, 1, -1, model) for each in inputs]
        found = reference.run(model.graph, model.weights, given, bare)
        return [_moved(each, -1, 1, model) for each in found]

    return parity.check(program, run, source=source, against=_AGAINST)


def _moved(array: np.ndarray, start: int, end: int, model: KerasModel) -> np.ndarray:
    """Images between the program's order and the file's."""
    image = model.channels_last and array.ndim >= _IMAGE
    return np.moveaxis(array, start, end) if image else array
