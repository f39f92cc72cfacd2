"""Keras's layers by their definitions, in NumPy and in the file's own order of dimensions.

It computes the file without a line of the reader that training uses, so that the one can be
checked against the other: arrays stay as Keras has them, in double precision, a layer after the
other from the outputs back. Slow and plain on purpose.
"""

from edgekit.sources.keras.reference import (
    activations,
    attention,
    convolution,
    elements,
    recurrent,
    shapes,
)
from edgekit.sources.keras.reference.walk import Walk, kinds

__all__ = [
    "Walk",
    "activations",
    "attention",
    "convolution",
    "elements",
    "kinds",
    "recurrent",
    "shapes",
]
