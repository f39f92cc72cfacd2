"""Weights of one-operator models: seeded, and of a size that keeps outputs near one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.types.operator_shape import OperatorShape

Array = np.ndarray[Any, np.dtype[Any]]

# Signed 8-bit steps of activations: normal values of unit variance fill most of the range.
INPUT_SCALE = 0.03
OUTPUT_SCALE = 0.06


def weights(*shape: int) -> Array:
    """Seeded weights of this shape, scaled by their number of inputs."""
    generator = np.random.default_rng(0)
    scale = 1 / math.sqrt(max(1, math.prod(shape[1:])))
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)


def bias(operator: OperatorShape) -> Array:
    """Zeros (outputs,)."""
    return np.zeros(operator.outputs, np.float32)


def head_widths(operator: OperatorShape) -> tuple[int, int]:
    """Features of a head's queries (and keys), and of its values, of an attention."""
    query = max(1, operator.inputs // 2)
    return query, max(1, operator.inputs - query)


def rows_shape(operator: OperatorShape) -> tuple[int, int, int]:
    """(1, positions, features of all queries, keys and values) that an attention takes, as one
    layer gives them, or (1, rows, features) that a layer norm does."""
    if operator.kind != "attention":
        return 1, math.prod(operator.size), operator.inputs
    query, value = head_widths(operator)
    return 1, max(operator.size), operator.groups * (2 * query + value)


def quantized(weight: Array, axis: int = 0) -> tuple[Array, Array]:
    """Signed 8-bit weights and a scale for each channel along `axis`, around zero."""
    others = tuple(number for number in range(weight.ndim) if number != axis)
    most = np.maximum(np.abs(weight).max(axis=others, keepdims=True), 1e-12)
    scales = (most / 127).astype(np.float32)
    return np.round(weight / scales).astype(np.int8), scales.ravel()
