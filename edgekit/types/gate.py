"""Limits of a gate, as `[gate]` or a file of budgets has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from edgekit.types.names import Count, Fraction, Mebibytes, Positive


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The limits of an artifact. `None` sets no limit."""

    size_mb: Mebibytes | None = None
    """Of the artifact's files."""
    mmacs: Positive | None = None
    """Millions of multiply-accumulates of one inference."""
    parameters: Count | None = None
    activation_mb: Mebibytes | None = None
    """Peak of activations in float32, batch size 1."""
    slow_operators: Annotated[int, Ge(0)] | None = None
    """Operators off the runtime's fast path."""
    accuracy: Fraction | None = None
    """Least fraction of right decisions on the project's test data."""
    accuracy_drop: Fraction = 0.0
    """Allowed loss of accuracy against a baseline, 0.01 for a point."""
    growth: Annotated[float, Ge(0)] = 0.0
    """Share by which bytes, operations, weights and activations may grow against a baseline."""
    parity: bool | None = None
    """True where the artifact must answer as its network; `None`: where the network is there."""
    contract: bool | None = None
    """True where inputs, outputs and preprocessing must be the baseline's; `None`: where both are
    known."""
    samples: Count = 1000
    """Most samples of the test data for accuracy and parity."""
    latency_ms: Positive | None = None
    """This one and the next two are proved on a device that is named, else unproven."""
    memory_mb: Mebibytes | None = None
    energy_mj: Positive | None = None
