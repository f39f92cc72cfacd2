"""From the trained network to the smaller, distilled one: in one cut, or in several.

Each cut is planned, its units emptied by training first on request of the recipe; layers that
lost inputs are refitted to the remaining ones, and the whole is trained before the next cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from edgekit.data import Dataset
from edgekit.distill import Distilled
from edgekit.errors import ModelError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline import left_out
from edgekit.pipeline.constraints import (
    PlanConstraints,
    check_possible,
    met,
)
from edgekit.pipeline.cost_model import calibrate
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.search import (
    PrunedCandidate,
    as_it_is,
    batches,
    planned_precisions,
    score_importance,
    search,
)
from edgekit.pipeline.training import TeacherEnsemble, TrainingSpec, train_student
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.objective import keep_best
from edgekit.prune.planner import Planner
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.schedule import composed, schedule
from edgekit.prune.sparsity import penalty
from edgekit.types import (
    Link,
    PruneRecipe,
)
from edgekit.types.notes import (
    CutInSteps,
    CutTrained,
    Note,
    PrecisionPlanned,
    UnitsEmptied,
    unique,
)

MAX_RATIO_PER_STEP = 3.0
"""Largest speed-up of a cut before the network is trained again."""
_SAMPLES_FITTED, _FEWEST_FITTED = 1024, 32
_MEMORY = 2**30
"""Bytes that activations of the samples may take while layers are fitted."""
_GROWTH = 0.7
"""Fraction of the steps after which a growing penalty is at its ceiling; the rest settle."""


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
    notes name it. Raises `left_out.NotExportable` where none is left.
    """

    def attempt(form: left_out.Form) -> tuple[PrunedCandidate, Distilled]:
        there = inputs.in_form(form, teachers.first, folder)
        return _prune(there, teachers, folder, halfway=halfway)

    precisions = planned_precisions(inputs.recipe, inputs.target)
    forms = inputs.forms(precisions)
    (whole, distilled), left = left_out.in_first_form(
        inputs.timer.exporter, forms, attempt
    )
    precision = whole.table.key.precision
    notes: list[Note] = [*whole.notes, *left]
    if whole.rounds and not precision == precisions[0] == "fp32":
        notes.append(PrecisionPlanned(precision=precision))
    return replace(whole, notes=tuple(notes)), distilled


def _prune(
    inputs: PruningInputs, teachers: TeacherEnsemble, folder: Path, *, halfway: bool
) -> tuple[PrunedCandidate, Distilled]:
    """The same in one runtime and precision: that of the baseline."""
    recipe, teacher = inputs.recipe.prune, teachers.first
    first, timer = inputs.planner(teacher), inputs.timer
    calibrate(first, timer.exporter, timer.baseline, timer.calibration, folder)
    final = inputs.constraints(first)
    if halfway:
        final = _halfway(final, first)
    if met(first, final):
        return _as_it_is(inputs, teachers, as_it_is(first, final))
    check_possible(first, final)
    first_constraints, *rest = aims(final, first.parameters(), recipe)

    def cut(
        planner: Planner, constraints: PlanConstraints, teachers: TeacherEnsemble
    ) -> tuple[PrunedCandidate, Distilled]:
        fitted = search(planner, constraints, inputs.train, recipe, timer, folder)
        if recipe.sparsity != "none":
            fitted = _emptied(inputs, teacher, fitted)
        if recipe.compensate:
            fitted = compensated(fitted, inputs.train, inputs.progress)
        training_spec = TrainingSpec(recipe=inputs.recipe.distill)
        return fitted, train_student(
            inputs.training, teachers, fitted.student, training_spec
        )

    fitted, distilled = cut(first, first_constraints, teachers)
    done, links = [fitted], [distilled]
    for constraints in rest:
        inputs.progress.say(f"Cut {len(done) + 1} of {len(rest) + 1}")
        planner = inputs.planner(distilled.program, first.options)
        # The network just trained is the teacher assistant: it is nearer to its cut, and a
        # better teacher than the unpruned one (Mirzadeh et al., 2020, arXiv:1902.03393).
        fitted, distilled = cut(
            planner, constraints, replace(teachers, first=distilled.program)
        )
        done.append(fitted)
        links.append(distilled)
    return _in_all(first, done, links), distilled


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
    distilled = Distilled(program=fitted.student, epochs=(), best_epoch=0, metric="")
    return replace(fitted, untouched=True), distilled


def aims(
    final: PlanConstraints, whole: int, recipe: PruneRecipe
) -> Iterator[PlanConstraints]:
    """The constraints of each cut, the last `final`; the network has `whole` weights."""
    count, kind = recipe.iterations or num_steps(final, whole), recipe.schedule
    speedups: tuple[float | None, ...] = (None,) * count
    if final.speedup is not None:
        speedups = schedule(kind, count, final.speedup)
    weights: tuple[int | None, ...] = (None,) * count
    if final.parameters is not None:
        fraction = min(1.0, final.parameters / whole)
        weights = tuple(round(whole * part) for part in schedule(kind, count, fraction))
    energies: tuple[float | None, ...] = (None,) * count
    if final.energy_fraction is not None and final.full_energy_mj:
        parts = schedule(kind, count, final.energy_fraction)
        energies = tuple(final.full_energy_mj * part for part in parts)
    steps = zip(speedups, weights, energies, strict=True)
    for number, (speedup, parameters, energy_mj) in enumerate(steps):
        constraints = replace(
            final, speedup=speedup, parameters=parameters, energy_mj=energy_mj
        )
        if number < count - 1:  # the last cut answers for the rest of the budget
            constraints = replace(
                constraints, activation_bytes=None, macs=None, notes=()
            )
        yield constraints


def num_steps(final: PlanConstraints, whole: int) -> int:
    """In how many steps to cut, so that none is steeper than `STEEP`."""
    fractions = [final.speedup or 1.0]
    if final.parameters:
        fractions.append(whole / final.parameters)
    if final.energy_fraction:
        fractions.append(1 / final.energy_fraction)
    return max(
        1, math.ceil(math.log(max(fractions)) / math.log(MAX_RATIO_PER_STEP) - 1e-9)
    )


def compensated(
    fitted: PrunedCandidate, train: Dataset, progress: Progress
) -> PrunedCandidate:
    """The same with the layers that read removed units refitted to the remaining ones."""
    held = 2 * fitted.planner.activation_bytes()
    count = min(_SAMPLES_FITTED, max(_FEWEST_FITTED, _MEMORY // max(1, held)))
    with progress.step(f"Fit the layers that lost inputs, on {count} samples"):
        [(inputs, _)] = batches(train, count)
        student = reconstruct(fitted.graph, fitted.solution.plan, inputs)
    return replace(fitted, student=student)


def _emptied(
    inputs: PruningInputs, teacher: Program, fitted: PrunedCandidate
) -> PrunedCandidate:
    """The same widths cut from a network whose units training emptied before.

    The growing penalty empties the units of the plan; the others select units by themselves,
    and these are scored again.
    """
    prune, whole = inputs.recipe.prune, fitted.graph.program
    recipe = replace(inputs.recipe.distill, epochs=prune.sparsity_epochs)
    plan = fitted.solution.plan
    batches = math.ceil(len(inputs.train) / recipe.batch_size)
    penalty_of = penalty(
        prune.sparsity,
        fitted.graph,
        plan=plan,
        steps=math.ceil(_GROWTH * batches * recipe.epochs),
        strength=prune.sparsity_strength,
    )
    training_spec = TrainingSpec(
        recipe=recipe,
        title=f"Empty units ({prune.sparsity})",
        penalty=penalty_of,
        marks=(prune.sparsity, prune.sparsity_strength, dict(plan.kept)),
    )
    graph = analyze(
        train_student(
            inputs.training, TeacherEnsemble(first=teacher), whole, training_spec
        ).program
    )
    if prune.sparsity != "growing":
        scores = score_importance(
            graph, inputs.train, prune.importance, inputs.progress
        )
        kept = keep_best(graph.groups, fitted.solution.widths, scores)
        plan = replace(kept, dropped_blocks=plan.dropped_blocks)
    return replace(
        fitted,
        graph=graph,
        student=shrink(graph, plan),
        solution=replace(fitted.solution, plan=plan),
        notes=(
            *fitted.notes,
            UnitsEmptied(method=prune.sparsity, epochs=recipe.epochs),
        ),
    )


def _in_all(
    first: Planner, done: list[PrunedCandidate], links: list[Distilled]
) -> PrunedCandidate:
    """All cuts as one of the unpruned network."""
    [*before, last] = done
    names = ["the unpruned network", *(f"cut {n + 1}" for n in range(len(links)))]
    if not before:
        [link] = links
        return replace(last, links=(link_of("the pruned network", names[0], link),))
    found = [
        link_of(name, teacher, link)
        for teacher, name, link in zip(names, names[1:], links, strict=False)
    ]
    plan = composed([fitted.solution.plan for fitted in done])
    widths = {
        group.id: len(plan.kept.get(group.id, range(group.units)))
        for group in first.graph.groups
    }
    _check(first.graph, widths, last.student)
    # So that the table has every operator of the report.
    first.cost(widths, first.device, plan.dropped_blocks)
    return replace(
        last,
        graph=first.graph,
        planner=first,
        solution=replace(last.solution, plan=plan, widths=widths),
        rounds=tuple(turn for fitted in done for turn in fitted.rounds),
        links=tuple(found),
        notes=(
            *unique(note for fitted in done for note in fitted.notes),
            CutInSteps(steps=len(done)),
            *(_gain(number, link) for number, link in enumerate(links, 1)),
        ),
    )


def link_of(name: str, teacher: str, distilled: Distilled) -> Link:
    """Gain of the training, on the samples that choose the epoch."""
    before, after = distilled.epochs[0], distilled.epochs[distilled.best_epoch]
    return Link(
        name=name,
        teacher=teacher,
        metric=distilled.metric,
        before=before.validation,
        after=after.validation,
        is_fraction=after.is_fraction,
        parameters=sum(p.numel() for p in distilled.program.module.parameters()),
        epoch=after.number,
    )


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


def _gain(number: int, link: Distilled) -> CutTrained:
    """Gain of the training after one of several cuts."""
    before, after = link.epochs[0], link.epochs[link.best_epoch]
    return CutTrained(
        step=number,
        before=before.score(link.metric),
        after=after.score(link.metric),
        epoch=after.number,
    )


def _check(graph: WidthGraph, widths: Mapping[str, int], student: Program) -> None:
    """Groups keep their names from cut to cut; a changed name shows in its shapes."""
    for node in graph.program.module.graph.find_nodes(op="get_attr"):
        name = str(node.target)
        have = dict(student.module.named_parameters(remove_duplicate=False)).get(name)
        if have is not None and graph.shape(node, widths) != tuple(have.shape):
            raise ModelError(
                f"After several cuts '{name}' has shape {tuple(have.shape)}, and its "
                f"groups have {graph.shape(node, widths)}. Set [recipe.prune] "
                "iterations = 1."
            )
