"""Reports of a build and its checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from edgekit.types.artifact import (
    Artifact,
)
from edgekit.types.evaluation import (
    Evaluation,
    LossUnit,
    PairedLoss,
    Parity,
)
from edgekit.types.measurement import (
    Measurement,
)
from edgekit.types.measurement_notes import EnergyReason
from edgekit.types.names import (
    CostUnit,
    Provenance,
    RuntimeName,
    Verdict,
)
from edgekit.types.notes import Note
from edgekit.types.plan import (
    AccuracyOutlook,
    Barrier,
    FrontierPoint,
    OperatorRow,
    PlanRound,
    Prediction,
    WidthRow,
)
from edgekit.types.project import (
    Budget,
    TaskSpec,
)
from edgekit.types.target import (
    Target,
)
from edgekit.types.training import (
    Epoch,
    Link,
)

REPORT_SCHEMA = 5
"""Version of `report.json`: raised where a field is removed or changes its meaning."""


@dataclass(frozen=True, kw_only=True)
class NotOnTarget:
    """The figure was measured on another device, which proves nothing about the target."""

    kind: Literal["not_on_target"] = "not_on_target"
    target: str
    device: str


@dataclass(frozen=True, kw_only=True)
class NotProven:
    """There is no figure, or it must not be quoted; the measurement gives the reasons."""

    kind: Literal["not_proven"] = "not_proven"
    reasons: tuple[EnergyReason, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NotSettled:
    """The loss of accuracy may be on either side of its limit with the confidence asked for."""

    kind: Literal["not_settled"] = "not_settled"
    confidence: float
    samples: int
    settling: int | None
    """Number of samples that would settle a loss like this one; `None` where it is the limit."""


Unproven: TypeAlias = NotOnTarget | NotProven | NotSettled


@dataclass(frozen=True, kw_only=True)
class BudgetVerdict:
    """One line of the contract: the limit, what was found, and how."""

    name: str
    limit: float
    value: float | None
    verdict: Verdict
    provenance: str
    unproven: Unproven | None = None
    """Why the verdict is `unproven`, where it is."""
    metric: str | None = None
    """The metric of `accuracy_drop`."""
    unit: LossUnit | None = None
    """Unit of `accuracy_drop`; `None` for other budgets."""
    interval: tuple[float, float] | None = None
    """Of `accuracy_drop`: its 95 % interval over samples that both networks answered."""
    against: RuntimeName | None = None
    """The runtime of the unpruned fp32 network that `speedup` is against."""


@dataclass(frozen=True, kw_only=True)
class Fastest:
    """The fastest candidate that keeps the budget."""

    kind: Literal["fastest"] = "fastest"


@dataclass(frozen=True, kw_only=True)
class Slower:
    """It keeps the budget, and another one is faster."""

    kind: Literal["slower"] = "slower"
    than: str
    """The chosen artifact."""
    latency_ratio: float | None
    """Its latency over that one's; `None` where either is not known."""


@dataclass(frozen=True, kw_only=True)
class OverBudget:
    """It misses a budget."""

    kind: Literal["over_budget"] = "over_budget"
    missed: BudgetVerdict


@dataclass(frozen=True, kw_only=True)
class OtherRuntimePreferred:
    """The profile prefers another runtime, and another machine's times cannot decide."""

    kind: Literal["other_runtime_preferred"] = "other_runtime_preferred"
    preferred: RuntimeName


Fault: TypeAlias = OverBudget | OtherRuntimePreferred


@dataclass(frozen=True, kw_only=True)
class NearestToBudget:
    """No candidate keeps the budget; this one is chosen because it is nearest."""

    kind: Literal["nearest_to_budget"] = "nearest_to_budget"
    fault: Fault | None


@dataclass(frozen=True, kw_only=True)
class LockedChoice:
    """The lock file names it."""

    kind: Literal["locked"] = "locked"


Outcome: TypeAlias = Fastest | Slower | Fault | NearestToBudget | LockedChoice


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An exported artifact with everything that was found out about it."""

    artifact: Artifact
    parity: Parity
    evaluation: Evaluation
    measurement: Measurement
    speedup: float
    """Unpruned fp32 over this one: paired launches on the same runtime in the same run."""
    accuracy_drop: float
    """By how much the metric is worse than the unpruned network's; negative where better."""
    relative_drop: bool = False
    """True where that is a fraction of the unpruned network's value, and not the difference."""
    loss: PairedLoss | None = None
    """The same with its uncertainty, from the pairs of answers to each sample."""
    chosen: bool = False
    outcome: Outcome | None = None
    """Why it was chosen, or lost; `None` before there was a choice."""
    latency_over_fp32: float | None = None
    """Latency over that of the same network in fp32 on its runtime, where quantization made it
    slower."""

    def keeps(self, limit: float) -> bool:
        """Return whether it loses at most `limit` of the metric."""
        return self.evaluation.keeps(
            self.accuracy_drop, limit, relative=self.relative_drop
        )

    @property
    def loss_unit(self) -> LossUnit:
        """The unit of its accuracy drop."""
        return self.evaluation.unit(relative=self.relative_drop)


@dataclass(frozen=True, kw_only=True)
class ConvertedArtifact:
    """A file for a runtime that runs nowhere here: converted, not run."""

    artifact: Artifact
    size_mb: float
    """Of its files, in MiB."""
    parity: None = None
    evaluation: None = None
    measurement: None = None


@dataclass(frozen=True, kw_only=True)
class NetworkSummary:
    """Size, multiply-adds and evaluation of a PyTorch network."""

    parameters: int
    macs: int
    evaluation: Evaluation
    """Of the PyTorch network itself, on the evaluation data."""


@dataclass(frozen=True, kw_only=True)
class DrawnBox:
    """A box (x1, y1, x2, y2) in pixels of its picture; `score` is `None` for one of the data."""

    box: tuple[float, float, float, float]
    label: str
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class DrawnMask:
    """The class of each pixel, as colors over a picture; the first class has none."""

    png: str
    """Base64, with transparency, stretched to the picture."""
    classes: tuple[str, ...]
    """Those with a color that are there."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Boxes, points or mask in a picture, of the data, a network or a file, which is the `name`."""

    name: str
    boxes: tuple[DrawnBox, ...] = ()
    points: tuple[tuple[float, float], ...] | None = None
    """Keypoints (x, y) in pixels of the picture; `None` for other tasks."""
    mask: DrawnMask | None = None


@dataclass(frozen=True, kw_only=True)
class DrawnPicture:
    """A sample of the evaluation data as it lies in the network's input."""

    jpeg: str
    """Base64."""
    width: int
    height: int
    drawn: tuple[Drawing, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a build found out; `report.json` is this, field by field."""

    schema_version: int
    project: str
    target: Target
    created: str
    environment: Mapping[str, str]
    budget: Budget
    verdicts: tuple[BudgetVerdict, ...]
    headline: str
    teacher: NetworkSummary
    student: NetworkSummary
    widths: tuple[WidthRow, ...]
    barriers: tuple[Barrier, ...]
    dropped_blocks: tuple[str, ...]
    """Residual blocks that left whole."""
    operators: tuple[OperatorRow, ...]
    cost_provenance: Provenance
    cost_unit: CostUnit
    prediction: Prediction | None
    """`None` where costs were estimated: nothing was measured to compare them with."""
    rounds: tuple[PlanRound, ...]
    epochs: tuple[Epoch, ...]
    best_epoch: int
    """Number of the first epoch with the best validation metric."""
    kept_epoch: int
    """Number of the epoch that the student is from: the last, or the best where that is better."""
    calibration: Mapping[str, Any]
    baselines: tuple[Measurement, ...]
    """The unpruned fp32 network on each runtime."""
    candidates: tuple[Candidate, ...]
    converted: tuple[ConvertedArtifact, ...] = ()
    """The student's files for runtimes that run nowhere here; none of them competed."""
    notes: tuple[Note, ...] = ()
    task: TaskSpec = field(default_factory=TaskSpec)
    links: tuple[Link, ...] = ()
    """The networks of the distillation chain, the student last."""
    frontier: tuple[FrontierPoint, ...] = ()
    """Every file that was judged on validation data before the choice, the unpruned network's
    first."""
    outlook: AccuracyOutlook | None = None
    """The accuracy expected before training beside the outcome; `None` where nothing was cut and
    trained."""

    pictures: tuple[DrawnPicture, ...] = ()
    """Samples of a detector with the boxes that were found."""

    @property
    def chosen(self) -> Candidate | None:
        """The chosen candidate; `None` without one."""
        return next((c for c in self.candidates if c.chosen), None)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all budgets."""
        order: tuple[Verdict, ...] = ("over", "unproven", "fits")
        return min((v.verdict for v in self.verdicts), key=order.index, default="fits")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at on this machine, and the command that mends it."""

    name: str
    ok: bool
    found: str
    fix: str = ""
