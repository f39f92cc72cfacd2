"""What stays of a network, what that costs, and what plans would look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.types.names import (
    CostSource,
    CostUnit,
    RuntimeName,
)
from edgekit.types.notes import CostDoubt, Note


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which units of each group of coupled widths stay: group id -> sorted unit numbers.

    A group that is not named stays whole.
    """

    kept: Mapping[str, tuple[int, ...]]
    dropped_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """An operator that keeps what it touches whole, such as dimensions of `parameters`."""

    operator: str
    node: str
    why: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WidthRow:
    """One group of coupled widths before and after pruning."""

    group: str
    kind: str
    before: int
    after: int
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """What one operator costs before and after pruning, by the cost table, in its unit."""

    name: str
    kind: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A whole exported network: what operators' costs say of it, and what was measured."""

    name: str
    predicted: float
    """By a correction fitted to other networks."""
    measured: float
    error: float
    """`|predicted - measured| / measured`."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """How well the cost table predicts whole networks, in its unit."""

    source: CostSource
    unit: CostUnit
    networks: tuple[NetworkCost, ...]
    error_median: float
    repeatability: float | None
    """How well the table's own cells repeat; `None` where each was measured once."""
    doubt: CostDoubt | None = None
    """Why it promises nothing, where it does not."""


@dataclass(frozen=True, kw_only=True)
class PlanRound:
    """One turn of the loop: what the plan promised and what its export measured."""

    predicted_speedup: float
    """By the table, corrected by the rounds before."""
    measured_speedup: float
    prediction_error: float
    overhead: float | None = None
    """Share of the unpruned network's time that operators do not account for, fitted to the
    rounds so far: what corrects the next one."""


@dataclass(frozen=True, kw_only=True)
class PlanPoint:
    """One plan: what it was solved for, takes, keeps, and is expected to do to answers."""

    asked: str
    speedup: float
    """By the cost table."""
    damage: float
    gap: float
    parameters: int
    macs: int
    activation_bytes: int
    dropped_blocks: tuple[str, ...]
    widths: tuple[WidthRow, ...]
    """The groups that lose units."""


@dataclass(frozen=True, kw_only=True)
class GroupSense:
    """What a group carries: the time of the operators it meets, and what cutting it does."""

    group: str
    kind: str
    units: int
    offered: tuple[int, ...]
    time_share: float
    """Of the network's operator time, in operators whose cost this group moves."""
    damage_at_half: float | None


@dataclass(frozen=True, kw_only=True)
class BlockSense:
    """What a residual block takes, and what dropping it does."""

    block: str
    time_share: float
    damage: float


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The expected frontier of one network on one target."""

    target: str
    runtime: RuntimeName
    source: CostSource
    unit: CostUnit
    exact: bool
    """Whether costs are exact for every choice; else an upper bound."""
    operators: tuple[OperatorRow, ...]
    """Where time goes now, and would go under the project's budget (the last of `points`)."""
    barriers: tuple[Barrier, ...]
    groups: tuple[GroupSense, ...]
    blocks: tuple[BlockSense, ...]
    points: tuple[PlanPoint, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Divergence in nats a sample (a relative squared error where outputs are no classes)."""

    groups: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Group id -> (units kept, divergence) of each cut that was tried."""
    blocks: Mapping[str, float] = field(default_factory=dict)
