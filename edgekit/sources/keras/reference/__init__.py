"""Keras's layers by their definitions, in NumPy and in the file's own order of dimensions.

It computes what a file says without a line of what reads it for training, so that the one can be
held against the other: arrays stay as Keras has them, in double precision, a layer after the
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
from edgekit.sources.keras.reference.walk import kinds, run

__all__ = [
    "activations",
    "attention",
    "convolution",
    "elements",
    "kinds",
    "recurrent",
    "run",
    "shapes",
]
