"""From the trained network to the smaller, distilled one, inside the budgets.

It is planned in the first form that it can be exported in, and nothing is cut where the network
keeps its budget as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgekit.distill import Distilled
from edgekit.pipeline import left_out
from edgekit.pipeline.constraints import (
    PlanConstraints,
    check_possible,
    met,
)
from edgekit.pipeline.cutter import Cutter
from edgekit.pipeline.frontier import most_accurate
from edgekit.pipeline.measured_damage import MeasuredDamage
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.search import (
    PrunedCandidate,
    as_it_is,
)
from edgekit.pipeline.training import (
    TeacherEnsemble,
    TrainingSpec,
    train_student,
)
from edgekit.prune.planner import Planner
from edgekit.types import (
    Candidate,
)
from edgekit.types.build_lock import LockedCut
from edgekit.types.notes import NothingCut, PrecisionPlanned


def iterative_prune(
    inputs: PruningInputs,
    teachers: TeacherEnsemble,
    folder: Path,
    *,
    halfway: bool = False,
) -> tuple[PrunedCandidate, Distilled]:
    """The network inside the budget and its training, both relative to the unpruned one.

    `halfway` there, where a smaller student is to learn from it. Where the network or a student
    cannot be exported in the form that is planned for, the next allowed one is planned for, and
    notes name it. Where no trained network keeps the budgets that the project sets, the unpruned
    one ends that does: a speed-up that was assumed is worth no miss. Raises
    `left_out.NotExportable` where no form is left.
    """
    if inputs.locked is not None:
        return _replayed(inputs, teachers, folder, inputs.locked.cuts)
    kept = most_accurate(inputs.uncut.safe)
    if kept and not halfway and inputs.recipe.objective != "fastest":
        return _uncut(inputs, teachers, kept)

    def attempt(form: left_out.Form) -> tuple[PrunedCandidate, Distilled]:
        there = inputs.in_form(form, teachers.first, folder)
        return _prune(there, teachers, folder, halfway=halfway)

    precisions = inputs.precisions()
    forms = inputs.forms(precisions)
    (whole, distilled), left = left_out.in_first_form(
        inputs.timer.exporter, forms, attempt
    )
    own = inputs.uncut.fastest
    if own and whole.points and not whole.within:
        inputs.progress.say(
            "No smaller network keeps the budget: the unpruned one does"
        )
        uncut, untrained = _uncut(inputs, teachers, own, reason="none_smaller")
        points = tuple(replace(one, final=False) for one in whole.points)
        return replace(uncut, points=points), untrained
    return replace(whole, notes=(*whole.notes, *left)), distilled


def _replayed(
    inputs: PruningInputs,
    teachers: TeacherEnsemble,
    folder: Path,
    cuts: Sequence[LockedCut],
) -> tuple[PrunedCandidate, Distilled]:
    """The network that an earlier build decided on."""
    planner = inputs.whole_planner(teachers.first, cuts[0].widths if cuts else {})
    if not cuts:
        return _as_it_is(inputs, teachers, as_it_is(planner, ()))
    whole = PlanConstraints(speedup=None, full_cost=planner.cost({}, planner.device))
    cutter = Cutter(
        inputs=inputs,
        teachers=teachers,
        first=planner,
        final=whole,
        folder=folder,
        damages=MeasuredDamage(training=inputs.training),
    )
    return cutter.replayed(cuts)


def _uncut(
    inputs: PruningInputs,
    teachers: TeacherEnsemble,
    kept: Candidate,
    *,
    reason: Literal["within_budget", "none_smaller"] = "within_budget",
) -> tuple[PrunedCandidate, Distilled]:
    """The network as it is: a file of it keeps every budget already."""
    planner = inputs.whole_planner(teachers.first)
    note = NothingCut(
        reason=reason,
        artifact=kept.artifact.name.removeprefix("unpruned-"),
        speedup=kept.speedup,
        validation=kept.evaluation.score,
    )
    whole = replace(as_it_is(planner, [note]), judged=inputs.uncut.speedups)
    return _as_it_is(inputs, teachers, whole)


def _prune(
    inputs: PruningInputs, teachers: TeacherEnsemble, folder: Path, *, halfway: bool
) -> tuple[PrunedCandidate, Distilled]:
    """The same in one runtime and precision: that of the baseline."""
    first = inputs.planner(teachers.first, corrected_in=folder)
    final = inputs.constraints(first)
    if halfway:
        final = _halfway(final, first)
    # A network at a smaller size of images has to learn that, though nothing else is cut.
    if met(first, final) and inputs.smaller is None:
        notes = [*final.notes, NothingCut(reason="within_budget")]
        return _as_it_is(inputs, teachers, as_it_is(first, notes))
    check_possible(first, final)
    cutter = Cutter(
        inputs=inputs,
        teachers=teachers,
        first=first,
        final=final,
        folder=folder,
        damages=MeasuredDamage(training=inputs.training),
        expectations=None if halfway else inputs.expectations(teachers.first),
    )
    whole, distilled = cutter.within_budget(judging=not halfway)
    precision = first.table.key.precision
    if precision == "fp32" == inputs.precisions()[0]:
        return whole, distilled
    planned = PrecisionPlanned(precision=precision, gain=inputs.gain_at_its_size)
    return replace(whole, notes=(*whole.notes, planned)), distilled


def _as_it_is(
    inputs: PruningInputs, teachers: TeacherEnsemble, fitted: PrunedCandidate
) -> tuple[PrunedCandidate, Distilled]:
    """The network uncut; it has nothing to learn but from teachers beside itself."""
    inputs.progress.say("The network keeps its budget as it is: nothing is cut")
    if teachers.others:
        training_spec = TrainingSpec(recipe=inputs.recipe.distill)
        return fitted, train_student(
            inputs.training, teachers, fitted.student, training_spec
        )
    distilled = Distilled(program=fitted.student, epochs=(), kept_epoch=0, metric="")
    return replace(fitted, untouched=True), distilled


def _halfway(final: PlanConstraints, planner: Planner) -> PlanConstraints:
    """Half of the way, as ratios go: what an assistant is to reach."""

    def between(whole: int, limit: int | None) -> int | None:
        return None if limit is None else round(math.sqrt(whole * min(limit, whole)))

    energy_mj = None
    if final.energy_fraction is not None and final.full_energy_mj:
        energy_mj = final.full_energy_mj * math.sqrt(final.energy_fraction)
    return replace(
        final,
        energy_mj=energy_mj,
        speedup=None if final.speedup is None else math.sqrt(final.speedup),
        parameters=between(planner.parameters(), final.parameters),
        macs=between(planner.macs(), final.macs),
        activation_bytes=None,
        notes=(),
    )
