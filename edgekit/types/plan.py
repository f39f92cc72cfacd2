"""Plans: the units that stay, their costs, and previews of plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgekit.types.evaluation import Evaluation, LossUnit, shown
from edgekit.types.names import (
    CostUnit,
    Precision,
    Provenance,
    RuntimeName,
)
from edgekit.types.notes import CostDoubt, Note


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Units of each group of coupled widths that stay: group id -> sorted unit numbers.

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
    """Cost of one operator before and after pruning, by the cost table, in its unit."""

    name: str
    kind: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """A whole exported network: its cost by its operators, and the measurement."""

    name: str
    predicted: float
    """By a correction fitted to other networks."""
    measured: float
    error: float
    """`|predicted - measured| / measured`."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Prediction errors of the cost table on whole networks, in its unit."""

    provenance: Provenance
    unit: CostUnit
    networks: tuple[NetworkCost, ...]
    error_median: float
    repeatability: float | None
    """Repeatability of the table's own cells; `None` where each was measured once."""
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
    """Fraction of the unpruned network's time that operators do not account for, fitted to the
    rounds so far: what corrects the next one."""


@dataclass(frozen=True, kw_only=True)
class FrontierPoint:
    """A file that was exported and measured during a build, judged on validation data."""

    name: str
    """The network: "uncut", or "trained 1" and so on."""
    artifact: str
    speedup: float
    """Against the unpruned fp32 network on the same runtime."""
    p50_ms: float | None
    evaluation: Evaluation
    accuracy_drop: float
    loss_unit: LossUnit
    within: bool
    """True where it keeps every budget, as far as it is known before the choice."""
    final: bool = False
    """True for files of the network that the build ended with."""

    def keeps(self, limit: float) -> bool:
        """Return whether it loses at most `limit` of the metric."""
        relative = self.loss_unit == "%"
        return self.evaluation.keeps(self.accuracy_drop, limit, relative=relative)


@dataclass(frozen=True, kw_only=True)
class ExpectedAccuracy:
    """The metric that a plan's network is expected to have after training: four times of five
    it lies from `low` to `high`."""

    metric: str
    is_fraction: bool
    expected: float
    low: float
    high: float
    trained: int
    """Number of trained networks that it is calibrated on; 0 where it is a prior alone."""
    own: int
    """Number of these that were cut from the same network."""

    @property
    def shown(self) -> str:
        """The value and its band for display."""
        middle, low, high = (
            shown(value, is_fraction=self.is_fraction)
            for value in (self.expected, self.low, self.high)
        )
        return f"{middle} ({low} to {high})"


@dataclass(frozen=True, kw_only=True)
class AccuracyUnknown:
    """Why no accuracy can be expected of a plan."""

    reason: Literal["metric_without_scale", "damage_not_measured"]
    """The metric has no bounds and is not judged as a fraction; no cut was tried."""


@dataclass(frozen=True, kw_only=True)
class AccuracyOutlook:
    """The accuracy expected of a plan before its training, and its outcome."""

    expected: ExpectedAccuracy | None
    unknown: AccuracyUnknown | None = None
    """Why nothing was expected."""
    outcome: float | None = None
    """The metric of the trained network's file on the same validation data."""

    @property
    def inside(self) -> bool | None:
        """Return whether the outcome lies in the band; `None` where one of them is missing."""
        if self.expected is None or self.outcome is None:
            return None
        return self.expected.low <= self.outcome <= self.expected.high


@dataclass(frozen=True, kw_only=True)
class PlanPoint:
    """One plan: what it was solved for, takes, keeps, and is expected to do to answers."""

    asked: str
    speedup: float
    """Over the unpruned fp32 network: that of the precision alone, measured, times the cut's by
    the cost table."""
    expected_loss_increase: float
    gap: float
    parameters: int
    macs: int
    activation_bytes: int
    dropped_blocks: tuple[str, ...]
    widths: tuple[WidthRow, ...]
    """The groups that lose units."""
    outlook: AccuracyOutlook | None = None
    """The accuracy that is expected after training."""


@dataclass(frozen=True, kw_only=True)
class GroupSense:
    """Load of a group: the time of the operators it meets, and the effect of cutting it."""

    group: str
    kind: str
    units: int
    offered: tuple[int, ...]
    time_fraction: float
    """Of the network's operator time, in operators whose cost this group moves."""
    loss_increase_at_half: float | None


@dataclass(frozen=True, kw_only=True)
class BlockSense:
    """Cost of a residual block, and the effect of dropping it."""

    block: str
    time_fraction: float
    expected_loss_increase: float


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The expected frontier of one network on one target."""

    target: str
    runtime: RuntimeName
    precision: Precision
    """That the plans are made in: the one in which least has to be cut."""
    gain: float
    """Speed-up of the unpruned network in that precision over fp32."""
    uncut: tuple[FrontierPoint, ...]
    """The unpruned network's files, measured."""
    provenance: Provenance
    unit: CostUnit
    exact: bool
    """True where costs are exact for every choice; else an upper bound."""
    operators: tuple[OperatorRow, ...]
    """Where time goes now, and would go under the project's budget (the last of `points`)."""
    barriers: tuple[Barrier, ...]
    groups: tuple[GroupSense, ...]
    blocks: tuple[BlockSense, ...]
    points: tuple[PlanPoint, ...]
    notes: tuple[Note, ...]
    size: tuple[int, int] | None = None
    """Height and width of images that the plans are for; `None` is the network's own."""


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """Divergence in nats a sample (a relative squared error for outputs without classes)."""

    groups: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """Group id -> (units kept, divergence) of each cut that was tried."""
    blocks: Mapping[str, float] = field(default_factory=dict)
