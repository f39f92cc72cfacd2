"""The sentence of each kind of note. mypy holds every `match` to be exhaustive."""

from __future__ import annotations

from typing import assert_never

from edgekit.report.data_words import data_words, named_score
from edgekit.report.export_words import export_words
from edgekit.report.measurement_words import unmetered
from edgekit.types import RateTest
from edgekit.types import notes as kinds
from edgekit.types.data_notes import DataNote
from edgekit.types.export_notes import ExportNote
from edgekit.types.notes import Note, PlanNote, QatReason, TrainingNote
from edgekit.types.training import RateLosses


def sentence(note: Note) -> str:
    """The words of a note, in one line without a full stop."""
    if isinstance(note, DataNote):
        return data_words(note)
    if isinstance(note, ExportNote):
        return export_words(note)
    if isinstance(note, PlanNote):
        return _plan(note)
    return _training(note)


def _plan(note: PlanNote) -> str:
    match note:
        case kinds.BudgetsNotPlanned():
            return _not_planned(note)
        case kinds.SpeedupAssumed():
            return f"no budget sets a speed: the plan aims at a speed-up of {note.speedup:g}"
        case kinds.EnergyPlannedAsTime():
            return (
                f"energy_mj = {note.energy_mj:g} was planned for as time, which energy is "
                f"taken to go with: operators have no energy of their own "
                f"({unmetered(note.reason)})"
            )
        case kinds.EnergyPlannedByOperators():
            return (
                f"energy_mj = {note.energy_mj:g} was planned for by the energy of operators: "
                f"{note.metered} of them metered ({note.meter}, {note.boundary}), the others "
                "at the power of those near to them"
            )
        case kinds.ResolutionPlanned() | kinds.PrecisionPlanned():
            return _planned_in(note)
        case kinds.NoPlanFaster() | kinds.NothingCut():
            return _nothing_cut(note)
        case kinds.BlocksDropped():
            return f"residual blocks dropped: {', '.join(note.blocks)}"
        case kinds.MeasuredAgain():
            return (
                f"{note.artifact} was measured at {note.first:.2f}x where "
                f"{note.expected:.2f}x was expected, and at {note.again:.2f}x when measured "
                f"again: {note.counts:.2f}x counts"
            )
        case kinds.Advice():
            return _advice(note)
        case kinds.CostsTimedBusy() | kinds.PredictionsOff():
            return _cost_doubt(note)
        case other:
            assert_never(other)


def _nothing_cut(note: kinds.NothingCut | kinds.NoPlanFaster) -> str:
    if isinstance(note, kinds.NoPlanFaster):
        return (
            f"no plan was faster than the unpruned network on {note.runtime} "
            f"({note.speedup:.2f}x at best): nothing was cut"
        )
    if note.reason == "own_architecture":
        return "the student has an architecture of its own: nothing was cut"
    smaller = note.reason == "none_smaller"
    words = "the network keeps its budget as it is: nothing was cut"
    if smaller:
        words = "no smaller network that was trained keeps the budget: nothing was cut"
    if note.artifact is None or note.speedup is None or note.validation is None:
        return words
    found = f"({note.artifact}: {note.speedup:.2f}x, validation {named_score(note.validation)})"
    hint = "" if smaller else '; [recipe] objective = "fastest" cuts all the same'
    return f"{words} {found}{hint}"


def _planned_in(note: kinds.ResolutionPlanned | kinds.PrecisionPlanned) -> str:
    if isinstance(note, kinds.PrecisionPlanned):
        words = f"widths and blocks were planned on costs in {note.precision}"
        if note.gain is None:
            return words
        return f"{words}, which alone is worth {note.gain:.2f}x over fp32"
    size, own = (f"{height} x {width}" for height, width in (note.size, note.own_size))
    if note.expected_loss_increase is None:
        return f"images stay {own} pixels: no smaller size has a plan inside the budget either"
    if note.size == note.own_size:
        return (
            f"images stay {own} pixels: at no smaller size is a plan expected to lose less "
            f"({note.expected_loss_increase:.3g} nats a sample before training)"
        )
    instead = "no plan fits the budget"
    if note.at_own_size is not None:
        instead = f"cuts alone were expected to lose {note.at_own_size:.3g}"
    return (
        f"images are {size} pixels instead of {own}: that loses {note.size_loss:.3g} nats a "
        f"sample by itself and {note.expected_loss_increase:.3g} with its cuts, before training; "
        f"at {own}, {instead}"
    )


def _cost_doubt(note: kinds.CostDoubt) -> str:
    match note:
        case kinds.CostsTimedBusy():
            return (
                f"{note.doubtful} of {note.operators} operators were timed while "
                f"{note.runtime} shared the machine with something else: predictions promise "
                "nothing; after `edgekit cache clean cost-tables` a build times them again"
            )
        case kinds.PredictionsOff():
            return (
                f"whole networks take {note.error_median:.0%} more or less than the costs of "
                "their operators predict (median): predictions promise nothing"
            )
        case other:
            assert_never(other)


_LEVERS: dict[kinds.Lever, str] = {
    "epochs": "training had not ended: raise [recipe.distill] epochs or [recipe] minutes",
    "precision": "the float file keeps the accuracy: allow fp16 or mixed precision in "
    "[recipe.export] precisions, or raise [recipe.quantize] qat_epochs",
    "labels": "training had ended, by the teacher's outputs alone: labels of the training data "
    "promise most",
    "data": "training had ended: more training data, labeled or not, promise most",
    "resolution": "training had ended: another input resolution ([recipe.prune] resolution = "
    '"free") or a milder budget is left',
}


def _advice(note: kinds.Advice) -> str:
    nearest = []
    if note.accuracy_drop is not None:
        nearest.append(f"accuracy_drop = {max(0.0, note.accuracy_drop):.4f}")
    if note.speedup is not None:
        nearest.append(f"speedup = {note.speedup:.2f}")
    if note.latency_ms is not None:
        nearest.append(f"latency_ms = {note.latency_ms:.4g}")
    return (
        f"nothing that was measured keeps the budget; {' or '.join(nearest)} alone would be "
        f"kept; {_LEVERS[note.lever]}"
    )


def _not_planned(note: kinds.BudgetsNotPlanned) -> str:
    budgets = " and ".join(
        f"{name} = {limit:g}" for name, limit in note.budgets.items()
    )
    lacking = "a meter on a" if note.lacking == "meter" else "a"
    return (
        f"{budgets} could not be planned for without {lacking} {note.target}: the plan aims "
        f"at a speed-up of {note.speedup:g} instead"
    )


def _training(note: TrainingNote) -> str:
    match note:
        case kinds.TeachersWeighted():
            fractions = ", ".join(f"{fraction:.0%}" for fraction in note.fractions)
            return (
                f"{len(note.fractions)} teachers: their outputs were averaged with "
                f"weights of {fractions}"
            )
        case kinds.LinkTrained():
            link = note.link
            return (
                f"{link.name}, distilled from {link.teacher}: validation {link.metric} "
                f"{link.before_shown} before, {link.after_shown} after"
            )
        case kinds.CutInSteps():
            return (
                f"the network was cut in {note.steps} steps and trained after each, from the "
                "second on with the one before as teacher"
            )
        case kinds.CutTrained():
            return (
                f"cut {note.step}: validation {note.before.metric} {note.before.shown} "
                f"before training, {note.after.shown} after epoch {note.epoch}"
            )
        case kinds.UnitsEmptied():
            return (
                f"{note.method} emptied units for {note.epochs} epochs before the cut"
            )
        case (
            kinds.BatchNormReestimated()
            | kinds.LearningRateTested()
            | kinds.DamageMeasured()
            | kinds.PlansDrawn()
        ):
            return _before_training(note)
        case kinds.LossesAdded():
            added = ", ".join(f"{name} ({w:g})" for name, w in note.weights.items())
            return f"the student was trained with soft targets, labels and {added}"
        case kinds.TeacherOutputsReused():
            return f"{note.fraction:.0%} of the teacher's outputs were reused"
        case kinds.TrainedWithRounding():
            return (
                f"{qat_reason(note.reason)}: the student was trained for {note.epochs} "
                "epochs with int8's rounding, distilled from the unpruned network in "
                f"float; validation {note.before.metric} with rounding "
                f"{note.before.shown} before, {note.after.shown} after"
            )
        case kinds.RoundingGain():
            before = "broken" if note.before is None else named_score(note.before)
            return (
                f"{note.artifact}: {before} after training alone, {named_score(note.after)} "
                "trained with rounding"
            )
        case kinds.IntervalMissing():
            return _interval_missing(note)
        case other:
            assert_never(other)


def _before_training(
    note: kinds.BatchNormReestimated
    | kinds.LearningRateTested
    | kinds.DamageMeasured
    | kinds.PlansDrawn,
) -> str:
    """Preparations of a training."""
    if isinstance(note, kinds.PlansDrawn):
        ends = "" if note.replaced else ", but is not as fast: the first is trained"
        return (
            f"of {note.drawn} more plans of equal cost, refitted, the best loses {note.again:.3g} "
            f"nats a sample before training, where the first one loses {note.measured:.3g}{ends}"
        )
    if isinstance(note, kinds.DamageMeasured):
        ends = "which is less"
        if not note.replaced:
            ends = "which is not better: the first is trained"
        return (
            f"the refitted plan lost {note.measured:.3g} nats a sample where "
            f"{note.expected:.3g} was expected: planned again by what was measured, it loses "
            f"{note.again:.3g}, {ends}"
        )
    if isinstance(note, kinds.LearningRateTested):
        return _rate(note.test)
    stay = "" if note.kept else ", so those before it were kept"
    return (
        f"statistics of batch norm were taken again over {note.samples} training samples of "
        f"the cut network: validation {note.before.metric} {note.before.shown} before, "
        f"{note.after.shown} after{stay}"
    )


def _rate(test: RateTest) -> str:
    """The learning rate that trials found."""
    if not test.losses:
        return (
            f"the learning rate is {test.rate:g}, the default: the training is too short to try "
            "others"
        )
    words = (
        f"the learning rate is {test.rate:g}, by the validation loss after {test.steps} steps of "
        f"each: {_tried(test.losses)}"
    )
    return f"{words}; and for longer: {_tried(test.longer)}" if test.longer else words


def _tried(losses: RateLosses) -> str:
    return ", ".join(
        f"{rate:g} ({'not finite' if loss is None else format(loss, '.4g')})"
        for rate, loss in losses
    )


def _interval_missing(note: kinds.IntervalMissing) -> str:
    words = {
        "metric_failed": f"the metric fails on a part of the samples ({note.detail})",
        "metric_slow": "the metric takes too long to be repeated on drawn samples",
        "not_finite": "the metric of drawn samples is not finite",
    }
    return f"the loss of accuracy has no interval: {words[note.cause]}"


def qat_reason(reason: QatReason) -> str:
    """Why the student is trained with int8's rounding."""
    match reason.cause:
        case "recipe":
            return "the recipe asks for training with rounding"
        case "broken":
            return f"quantization after training broke {reason.artifact}"
        case "over_budget":
            score = "" if reason.score is None else f": {named_score(reason.score)}"
            return (
                "int8 after training missed the accuracy budget "
                f"({reason.artifact}{score})"
            )
