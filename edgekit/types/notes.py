"""Findings of a build beside its figures, as records: a `kind` and values.

`report.json` has them as they are here; `report.note_words` has the sentence of each kind. A
name has the unit of its value; a fraction is of 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from edgekit.types.data_notes import DataNote
from edgekit.types.evaluation import Score
from edgekit.types.export_notes import ExportNote
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.names import LossName, Precision, RuntimeName
from edgekit.types.training import Link, RateTest

# --- the plan ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BudgetsNotPlanned:
    """Budgets that cannot be planned for: the plan aims at a speed-up instead."""

    kind: Literal["budgets_not_planned"] = "budgets_not_planned"
    budgets: Mapping[str, float]
    """By their names in `[budget]`."""
    lacking: Literal["device", "meter"]
    target: str
    speedup: float


@dataclass(frozen=True, kw_only=True)
class SpeedupAssumed:
    """No budget sets a speed: the plan aims at this speed-up."""

    kind: Literal["speedup_assumed"] = "speedup_assumed"
    speedup: float


@dataclass(frozen=True, kw_only=True)
class EnergyPlannedAsTime:
    """Energy is taken to go with time: operators have no energy of their own."""

    kind: Literal["energy_planned_as_time"] = "energy_planned_as_time"
    energy_mj: float
    reason: OperatorsUnmetered


@dataclass(frozen=True, kw_only=True)
class EnergyPlannedByOperators:
    """Energy is planned for by that of operators, of which a meter resolved some."""

    kind: Literal["energy_planned_by_operators"] = "energy_planned_by_operators"
    energy_mj: float
    metered: int
    meter: str | None
    boundary: str | None


@dataclass(frozen=True, kw_only=True)
class PrecisionPlanned:
    """The precision of the costs that the plan goes by, where it is not fp32."""

    kind: Literal["precision_planned"] = "precision_planned"
    precision: Precision
    gain: float | None = None
    """Speed-up of the unpruned network over fp32 by the precision alone: the rest was cut."""


@dataclass(frozen=True, kw_only=True)
class ResolutionPlanned:
    """The size of images that was chosen with the plan, of those that were tried."""

    kind: Literal["resolution_planned"] = "resolution_planned"
    size: tuple[int, int]
    """Height and width."""
    own_size: tuple[int, int]
    """Of the network as it came."""
    size_loss: float
    """Loss increase by the size alone, measured on validation samples, in nats a sample."""
    expected_loss_increase: float | None
    """Of size and cuts together; `None` where no size keeps the budget."""
    at_own_size: float | None
    """The same of the plan at the own size; `None` where there is none."""


@dataclass(frozen=True, kw_only=True)
class NoPlanFaster:
    """No plan was faster than the unpruned network: nothing was cut."""

    kind: Literal["no_plan_faster"] = "no_plan_faster"
    runtime: RuntimeName
    speedup: float
    """Of the fastest plan."""


@dataclass(frozen=True, kw_only=True)
class NothingCut:
    """Why the student has all that its architecture has."""

    kind: Literal["nothing_cut"] = "nothing_cut"
    reason: Literal["within_budget", "own_architecture", "none_smaller"]
    """`none_smaller`: no smaller network that was trained keeps the budgets, and it does."""
    artifact: str | None = None
    """The file of the unpruned network that keeps every budget, where one was measured."""
    speedup: float | None = None
    validation: Score | None = None
    """Its metric on validation data."""


@dataclass(frozen=True, kw_only=True)
class BlocksDropped:
    """Residual blocks that the student lacks."""

    kind: Literal["blocks_dropped"] = "blocks_dropped"
    blocks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CostsTimedBusy:
    """Operators that were timed while the machine was busy: predictions promise nothing."""

    kind: Literal["costs_timed_busy"] = "costs_timed_busy"
    doubtful: int
    operators: int
    runtime: RuntimeName


@dataclass(frozen=True, kw_only=True)
class PredictionsOff:
    """Whole networks take more or less than the costs of their operators predict."""

    kind: Literal["predictions_off"] = "predictions_off"
    error_median: float
    """As a fraction of what was measured."""


@dataclass(frozen=True, kw_only=True)
class MeasuredAgain:
    """A speed-up that contradicted the one expected, and the second measurement of it."""

    kind: Literal["measured_again"] = "measured_again"
    artifact: str
    expected: float
    first: float
    again: float
    counts: float
    """Of the two the one that counts."""


Lever = Literal["epochs", "precision", "labels", "data", "resolution"]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """No network keeps the budget: the nearest budgets that one would have kept, and a lever."""

    kind: Literal["advice"] = "advice"
    accuracy_drop: float | None
    """The least loss at the speed that is asked for."""
    speedup: float | None
    """The largest speed-up at the accuracy that is asked for."""
    latency_ms: float | None = None
    """The least latency at that accuracy, where a budget is one and the target was measured."""
    lever: Lever


CostDoubt: TypeAlias = CostsTimedBusy | PredictionsOff
PlanNote: TypeAlias = (
    BudgetsNotPlanned
    | SpeedupAssumed
    | EnergyPlannedAsTime
    | EnergyPlannedByOperators
    | PrecisionPlanned
    | ResolutionPlanned
    | NoPlanFaster
    | NothingCut
    | BlocksDropped
    | Advice
    | MeasuredAgain
    | CostDoubt
)


# --- training ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TeachersWeighted:
    """Several teachers: the fraction of the averaged outputs that each has."""

    kind: Literal["teachers_weighted"] = "teachers_weighted"
    fractions: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LinkTrained:
    """One network of a chain, before and after its training."""

    kind: Literal["link_trained"] = "link_trained"
    link: Link


@dataclass(frozen=True, kw_only=True)
class CutInSteps:
    """The network was cut in several steps, and trained after each."""

    kind: Literal["cut_in_steps"] = "cut_in_steps"
    steps: int


@dataclass(frozen=True, kw_only=True)
class CutTrained:
    """One of several cuts, before and after its training."""

    kind: Literal["cut_trained"] = "cut_trained"
    step: int
    before: Score
    after: Score
    epoch: int


@dataclass(frozen=True, kw_only=True)
class UnitsEmptied:
    """A penalty emptied units before they were cut."""

    kind: Literal["units_emptied"] = "units_emptied"
    method: str
    epochs: int


@dataclass(frozen=True, kw_only=True)
class DamageMeasured:
    """A refitted plan lost more than its cuts tried alone, and was planned again by that."""

    kind: Literal["damage_measured"] = "damage_measured"
    expected: float
    """Loss increase in nats a sample, as the others are."""
    measured: float
    again: float
    """Of the second plan."""
    replaced: bool
    """True where the second plan loses less and is as fast."""


@dataclass(frozen=True, kw_only=True)
class PlansDrawn:
    """Plans of equal cost were drawn and refitted, and one of them lost clearly less."""

    kind: Literal["plans_drawn"] = "plans_drawn"
    drawn: int
    """Number of plans."""
    measured: float
    """Loss of the plan before, in nats a sample before training."""
    again: float
    """Of the best plan that was drawn."""
    replaced: bool
    """True where that is as fast, too."""


@dataclass(frozen=True, kw_only=True)
class BatchNormReestimated:
    """Statistics of batch norm were taken again after a cut, and tried on validation samples."""

    kind: Literal["batch_norm_reestimated"] = "batch_norm_reestimated"
    samples: int
    before: Score
    after: Score
    kept: bool
    """False where the network was worse for it."""


@dataclass(frozen=True, kw_only=True)
class LearningRateTested:
    """The learning rate that trials before the training found."""

    kind: Literal["learning_rate_tested"] = "learning_rate_tested"
    test: RateTest


@dataclass(frozen=True, kw_only=True)
class LossesAdded:
    """Losses beside soft targets and labels, by their weights."""

    kind: Literal["losses_added"] = "losses_added"
    weights: Mapping[LossName, float]


@dataclass(frozen=True, kw_only=True)
class TeacherOutputsReused:
    """The fraction of the teacher's outputs that was kept from an earlier epoch or build."""

    kind: Literal["teacher_outputs_reused"] = "teacher_outputs_reused"
    fraction: float


@dataclass(frozen=True, kw_only=True)
class QatReason:
    """Why the student was trained with int8's rounding."""

    cause: Literal["recipe", "broken", "over_budget"]
    artifact: str | None = None
    score: Score | None = None
    """The same figure of that artifact without it."""


@dataclass(frozen=True, kw_only=True)
class TrainedWithRounding:
    """Quantization-aware distillation, and the student before and after it, with rounding."""

    kind: Literal["trained_with_rounding"] = "trained_with_rounding"
    reason: QatReason
    epochs: int
    before: Score
    after: Score


@dataclass(frozen=True, kw_only=True)
class RoundingGain:
    """An int8 artifact with and without quantization-aware distillation."""

    kind: Literal["rounding_gain"] = "rounding_gain"
    artifact: str
    before: Score | None
    """`None` where quantization after training alone broke the file."""
    after: Score


@dataclass(frozen=True, kw_only=True)
class IntervalMissing:
    """Why the loss of accuracy has no interval: what the metric does with drawn samples."""

    kind: Literal["interval_missing"] = "interval_missing"
    cause: Literal["metric_failed", "metric_slow", "not_finite"]
    detail: str | None = None
    """The metric's error."""


TrainingNote: TypeAlias = (
    TeachersWeighted
    | LinkTrained
    | CutInSteps
    | CutTrained
    | UnitsEmptied
    | DamageMeasured
    | PlansDrawn
    | BatchNormReestimated
    | LearningRateTested
    | LossesAdded
    | TeacherOutputsReused
    | TrainedWithRounding
    | RoundingGain
    | IntervalMissing
)

Note: TypeAlias = DataNote | ExportNote | PlanNote | TrainingNote
NOTES: tuple[type[Note], ...] = get_args(Note)
"""Every class of notes."""


def unique(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Each note once, in order; some have values that cannot be hashed."""
    found: list[Note] = []
    for note in notes:
        if note not in found:
            found.append(note)
    return tuple(found)
