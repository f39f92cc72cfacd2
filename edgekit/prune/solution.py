"""Limits of a plan, and the costs of its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from edgekit.prune.solver import GAP
from edgekit.types import Plan

_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the network; `None` is unlimited."""

    cost: float | None = None
    """Of the operators by the table, in its unit."""
    parameters: int | None = None
    activation_bytes: int | None = None
    """The most that activations take at once."""
    macs: int | None = None
    energy_mj: float | None = None
    """Of the operators by the table."""

    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: v for name, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A plan and what its network takes; `gap` bounds how far the best is, as a fraction."""

    plan: Plan
    widths: Mapping[str, int]
    """Of a group that leaves with its block: the full width."""
    cost: float
    """Of the operators by the table, in its unit; an upper bound where not `exact`."""
    parameters: int
    activation_bytes: int
    macs: int
    expected_loss_increase: float | None
    """The expected loss increase, untrained; `None` without importance."""
    gap: float
    exact: bool
    energy_mj: float | None = None
    """Of the operators by the table; `None` where no meter was read."""
    in_int8: tuple[str, ...] = ()
    """Operators in int8 by their nodes' names, of a plan that chooses each operator's form."""

    @property
    def predicted_loss(self) -> float:
        """The expected loss increase; raises `ValueError` for a plan made without importance."""
        if self.expected_loss_increase is None:
            raise ValueError("The plan was made without importance.")
        return self.expected_loss_increase

    @property
    def optimal(self) -> bool:
        """Return whether the solver's gap is within its tolerance."""
        return self.gap <= GAP

    @property
    def dropped(self) -> tuple[str, ...]:
        """The blocks that the plan drops."""
        return self.plan.dropped_blocks


def over(amount: float, most: float) -> bool:
    """Return whether a network takes more than a limit: whole numbers exactly, sums up to
    rounding."""
    if isinstance(amount, int):
        return amount > most
    return amount > most * (1 + _TOLERANCE)
