"""Decide whether a file is its network: one norm and one table of tolerances, for every
command.

The norm is the largest difference over the largest number, over all samples: float kernels differ
in rounding only, so that one wrong element is a fault. Quantized outputs move, but seldom their
decisions, which count there; where outputs decide nothing, the variance that they explain does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit import tasks
from edgekit.tasks.scores import explained, in_parts
from edgekit.types import Parity, Precision, TaskKind, TaskSpec
from edgekit.types.export_notes import ParityFault

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Allowed distance of a file of one precision from its network."""

    outputs: float
    """Relative error of the outputs on real samples; infinite where decisions count."""
    drawn: float
    """The same of an element of the outputs on inputs that were drawn: rounding then decides
    ties that trained networks do not meet. Infinite where such inputs are inconclusive."""
    layers: float
    """Root-mean-square error of one layer's output, relative to its own."""


_INTEGERS = Tolerance(outputs=math.inf, drawn=math.inf, layers=0.25)
TOLERANCES: Mapping[Precision, Tolerance] = {
    "fp32": Tolerance(outputs=1e-3, drawn=1e-2, layers=1e-3),
    "fp16": Tolerance(outputs=2e-2, drawn=1e-1, layers=1e-2),
    "int8": _INTEGERS,
    "int8-dynamic": _INTEGERS,
    "int8-weights": _INTEGERS,
    "int16x8": _INTEGERS,
    "palette4": _INTEGERS,
}
AGREEMENT = 0.75
"""Fraction of decisions below which a file is not the network, whatever its precision."""
FLOAT_AGREEMENT = 0.99
"""The same where a file in float gives decisions and nothing else."""
EXPLAINED = 0.75
"""The same where outputs are values and decide nothing: fraction of their variance."""
DRAWN_ELEMENTS = 0.01
"""Fraction of an output's elements that may be further off on inputs that were drawn."""
_DRAWN_SMALLEST = 1e-3
"""On inputs that were drawn, outputs below it are compared as though the largest were that."""
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Distance of outputs, and the criteria by which they are not the network's."""

    parity: Parity
    fault: ParityFault | None
    """`None` where they are the network's."""


def compare(
    expected: Array,
    outputs: Array,
    precision: Precision,
    kind: TaskKind | TaskSpec,
    *,
    decided: bool = False,
    tolerance: float | None = None,
) -> Comparison:
    """Distance of `outputs` (n, ...) of a file from those `expected` of its network.

    Decisions are compared where the task has any, of samples, pixels or tokens; else how much of
    the variance of the network's outputs is there. Where outputs are `decided` already (scores of
    0 and 1), nothing else can be compared, and a file in float has to decide as the network on
    nearly all. `tolerance` takes the place of the precision's relative error.
    """
    task = tasks.of(kind)
    parts = list(zip(task.parts(outputs), task.parts(expected), strict=True))
    found = Parity(
        relative_error=max(relative_error(*pair) for pair in parts),
        agreement=None,
        samples=len(outputs),
    )
    if task.class_axis is not None:
        same = task.agree(outputs, expected).value
        found = replace(found, agreement=same)
    else:
        several = len(parts) > 1
        least = min(explained(*pair, part=several) for pair in parts)
        found = replace(found, explained=least)
    allowed = TOLERANCES[precision].outputs if tolerance is None else tolerance
    if decided:
        allowed = math.inf
    finite = math.isfinite(found.relative_error)
    if not finite or found.relative_error > allowed:
        fault = ParityFault(
            measure="relative_error",
            value=found.relative_error if finite else None,
            limit=allowed if math.isfinite(allowed) else None,
            samples=found.samples,
        )
        return Comparison(parity=found, fault=fault)
    exact = decided and math.isfinite(TOLERANCES[precision].outputs)
    least = FLOAT_AGREEMENT if exact else AGREEMENT
    return Comparison(parity=found, fault=_undecided(found, kind, least))


def _undecided(
    found: Parity, kind: TaskKind | TaskSpec, least: float
) -> ParityFault | None:
    """By what decisions, or values, are not the network's."""
    fault = ParityFault(
        measure="agreement",
        value=found.agreement,
        limit=least,
        samples=found.samples,
        task=kind if isinstance(kind, str) else kind.kind,
    )
    if found.agreement is not None and found.agreement < least:
        return fault
    if found.explained is not None and found.explained < EXPLAINED:
        return replace(
            fault, measure="explained", value=found.explained, limit=EXPLAINED
        )
    return None


def relative_error(outputs: Array, expected: Array) -> float:
    """The largest difference over the largest number of `expected`; infinite if not finite.

    What is infinite or no number in both is equal.
    """
    apart, largest = np.float64(0), _SMALLEST
    for some, known in in_parts(outputs, expected):
        # NumPy's maximum keeps a NaN.
        apart = np.maximum(apart, _apart(some, known).max(initial=0.0))
        largest = _largest(known, largest)
    error = float(apart) / largest
    return error if math.isfinite(error) else math.inf


def elements_off(outputs: Array, expected: Array, precision: Precision) -> float:
    """Fraction of elements that inputs drawn at random show to be another network's."""
    far = TOLERANCES[precision].drawn * _largest(expected, _DRAWN_SMALLEST)
    off = ~(_apart(outputs.astype(np.float64), expected.astype(np.float64)) <= far)
    return float(off.mean()) if off.size else 0.0


def rms_error(outputs: Array, expected: Array) -> float:
    """Root mean square of the differences over that of `expected`; infinite if not finite.

    A distance of tensors and of quantized files among each other: it does not decide whether a
    file is the network.
    """
    error, scale = np.float64(0), np.float64(0)
    with np.errstate(invalid="ignore", over="ignore"):
        for some, known in in_parts(outputs, expected):
            error += np.sum(np.square(some - known), dtype=np.float64)
            scale += np.sum(np.square(known), dtype=np.float64)
        count = max(1, np.size(outputs))
        found = np.sqrt(error / count) / max(np.sqrt(scale / count), _SMALLEST)
    compared = np.atleast_1d(outputs).shape[0] > 0
    return float(found) if compared and np.isfinite(found) else math.inf


def _apart(outputs: Array, expected: Array) -> Array:
    with np.errstate(invalid="ignore"):
        apart: Array = np.abs(outputs - expected)
    if not np.isfinite(apart).all():
        equal = (outputs == expected) | (np.isnan(outputs) & np.isnan(expected))
        apart[equal] = 0.0
    return apart


def _largest(expected: Array, least: float) -> float:
    finite = np.abs(expected[np.isfinite(expected)])
    return max(float(finite.max(initial=0.0)), least)
