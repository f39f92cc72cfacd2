"""Outputs of files with folded post-processing, and their conversion to the inputs of
metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.types import IOFusion

Outputs = NDArray[np.float32]
_LEAST = 1e-30
"""A probability that int8 rounds to 0 still has a logarithm."""


def expected(logits: Outputs, folding: IOFusion) -> Outputs:
    """Expected output of a file where the network gives `logits` (n, ...).

    Class numbers come as `scores` gives them.
    """
    if folding.postprocess == "softmax":
        powers = np.exp(logits - logits.max(folding.axis, keepdims=True))
        fractions: Outputs = powers / powers.sum(folding.axis, keepdims=True)
        return fractions
    if folding.postprocess == "argmax":
        return scores(logits.argmax(folding.axis), folding)
    return logits


def scores(predictions: NDArray[Any], folding: IOFusion) -> Outputs:
    """A file's answers with a score for each class: 1 for the one that a number names."""
    if folding.postprocess != "argmax":
        return predictions
    rows = np.eye(folding.classes, dtype=np.float32)[predictions.astype(np.int64)]
    return np.moveaxis(rows, -1, folding.axis)


def logits(predictions: Outputs, folding: IOFusion) -> Outputs:
    """Inputs of metrics, from `scores`: of probabilities the logarithms."""
    if folding.postprocess != "softmax":
        return predictions
    found: Outputs = np.log(np.maximum(predictions, _LEAST))
    return found
