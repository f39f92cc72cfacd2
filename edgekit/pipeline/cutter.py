"""Cut a network and train it, as often as the budgets and the time ask for.

The units of a cut are emptied by training first on request of the recipe; layers that lost inputs
are refitted to the remaining ones, and the whole is trained before the next cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.distill import Distilled
from edgekit.distill.optimize import batch_size
from edgekit.errors import BudgetInfeasible
from edgekit.export.workers import artifact_name
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.closed_loop import (
    TRAININGS,
    Cuts,
    Goal,
    Step,
    TrainedPoint,
    best_point,
    damage_of,
    frontier_of,
    run,
)
from edgekit.pipeline.constraints import (
    PlanConstraints,
)
from edgekit.pipeline.cut_steps import aims, all_as_one, joined
from edgekit.pipeline.expected_accuracy import Expectations, keep_outcome
from edgekit.pipeline.norm_statistics import renormalized
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.search import (
    PrunedCandidate,
    planned,
    search,
    solve_for,
)
from edgekit.pipeline.stage_records import NetworkRecord
from edgekit.pipeline.training import (
    TeacherEnsemble,
    TrainingSpec,
    estimated_epoch_s,
    train_student,
)
from edgekit.pipeline.unit_scores import batches, probe, score_importance
from edgekit.program.placement import best_device, room
from edgekit.program.program import Program
from edgekit.prune.objective import keep_best
from edgekit.prune.planner import Planner
from edgekit.prune.reconstruct import reconstruct
from edgekit.prune.sparsity import penalty
from edgekit.report.words import outlook as outlook_words
from edgekit.store import Stage, kept
from edgekit.types import AccuracyOutlook
from edgekit.types.build_lock import LockedCut
from edgekit.types.notes import SpeedupAssumed, UnitsEmptied

_SAMPLES_FITTED, _FEWEST_FITTED = 1024, 32
_MEMORY = 2**30
"""Bytes that activations of the samples may take while layers are fitted."""
_GROWTH = 0.7
"""Fraction of the steps after which a growing penalty is at its ceiling; the rest settle."""


@dataclass(frozen=True, kw_only=True)
class Cutter:
    """Cuts and trains one network in one runtime and precision."""

    inputs: PruningInputs
    teachers: TeacherEnsemble
    first: Planner
    """Of the unpruned network."""
    final: PlanConstraints
    folder: Path
    expectations: Expectations | None = None
    """Of trained networks; `None` where they are not judged."""

    def within_budget(self, *, judging: bool) -> tuple[PrunedCandidate, Distilled]:
        """The best trained network that the time allows, as one cut of the unpruned one.

        Without `judging` the first one, whose accuracy is not looked at.
        """
        if judging:
            self._announce()
        cuts = self.cut_all(self.final)
        evaluator = self.inputs.evaluator
        if evaluator is None or not judging:
            return self.together(cuts)
        goal = self._goal(evaluator.contest.priority, cuts)

        def point(demand: float | None, cuts: Cuts) -> TrainedPoint:
            student = cuts.links[-1].program
            place = self.folder / f"judged-{student.fingerprint()[:16]}"
            judged = evaluator.student(student, place, self._expected(cuts.done[-1]))
            return TrainedPoint(demand=demand, cuts=cuts, judged=judged)

        def take(step: Step, last: TrainedPoint) -> TrainedPoint:
            self.inputs.progress.say(step_words(step, last, self.inputs.gain))
            return point(step.demand, self.take(step, last.cuts))

        points = run(point(self.final.speedup, cuts), goal, take)
        best = best_point(points, goal)
        whole, distilled = self.together(best.cuts)
        self._keep_outcomes(points)
        whole = replace(
            whole,
            points=frontier_of(points, best),
            judged=best.judged.speedups,
            within=bool(best.judged.stated),
            outlook=self._outlook(best),
        )
        return whole, distilled

    def _outlook(self, point: TrainedPoint) -> AccuracyOutlook | None:
        """The accuracy expected of a trained network by earlier builds, and its outcome."""
        if self.expectations is None:
            return None
        file = point.judged.plain(self.inputs.timer.variant)
        outcome = file.evaluation.value if file else None
        return self.expectations.outlook(point.cuts.damage, outcome)

    def _keep_outcomes(self, points: Sequence[TrainedPoint]) -> None:
        """Keep what each plan came to, trained longest, for the expectations of later builds."""
        for damage, point in {one.cuts.damage: one for one in points}.items():
            file = point.judged.plain(self.inputs.timer.variant)
            if file is not None and damage is not None and self.expectations:
                outcome = self.expectations.outcome(damage, file.evaluation)
                keep_outcome(self.inputs.training.store, outcome)

    def _expected(self, fitted: PrunedCandidate) -> dict[str, float]:
        """The speed-up over fp32 of the file that was timed before training."""
        if fitted.measured_speedup is None:
            return {}
        name = artifact_name(*self.inputs.timer.variant)
        return {name: self.inputs.gain * fitted.measured_speedup}

    def _announce(self) -> None:
        """The time that training is expected to take, before it begins."""
        recipe = self.inputs.recipe
        epoch_s = estimated_epoch_s(self.teachers.first, self.inputs.train)
        trainings = self.inputs.recipe.distill.epochs * epoch_s / 60
        minutes = TRAININGS * trainings if recipe.minutes is None else recipe.minutes
        self.inputs.progress.say(
            f"Training takes about {trainings:.1f} min, and is repeated for at most "
            f"{minutes:.1f} min in all where a network misses a budget ([recipe] minutes)"
        )

    def _goal(self, priority: tuple[str, ...], cuts: Cuts) -> Goal:
        """By the budgets; time as the recipe has it, or for a few trainings like the first."""
        recipe, final = self.inputs.recipe, self.final
        trained_s = sum(e.seconds for link in cuts.links for e in link.epochs)
        minutes = recipe.minutes
        limits = final.limits(None)
        fastest = recipe.objective == "fastest"
        return Goal(
            budget=self.inputs.budget,
            priority=priority,
            required=None
            if fastest or final.speedup is None
            else final.speedup * final.gain,
            ceiling=final.full_cost / self.first.cheapest("cost", limits).cost,
            fastest=fastest,
            limit_s=TRAININGS * trained_s if minutes is None else 60 * minutes,
        )

    def take(self, step: Step, last: Cuts) -> Cuts:
        """The networks of a step after `last`."""
        if step.kind == "longer":
            again = self._trained(last.done[-1], last.links[-1].program)
            return replace(
                last,
                links=(*last.links[:-1], joined(last.links[-1], again)),
                trainings=(*last.trainings[:-1], last.trainings[-1] + 1),
            )
        aimed = replace(self.final, speedup=step.demand)
        return self.cut_all(aimed) if step.kind == "milder" else self.cut(aimed, last)

    def cut_all(self, final: PlanConstraints) -> Cuts:
        """Cuts from the unpruned network down to `final`."""
        cuts = Cuts(done=(), links=())
        steps = [*aims(final, self.first.parameters(), self.inputs.recipe.prune)]
        if len(steps) > 1 and self.expectations is not None:
            self._check_reach(expected_damage(self.inputs, self.first, final), final)
        for number, constraints in enumerate(steps, 1):
            if number > 1:
                self.inputs.progress.say(f"Cut {number} of {len(steps)}")
            cuts = self.cut(constraints, cuts)
        return cuts

    def cut(self, constraints: PlanConstraints, before: Cuts) -> Cuts:
        """One more cut, of the student of those before, trained.

        The network just trained is the teacher assistant: it is nearer to its cut, and a better
        teacher than the unpruned one (Mirzadeh et al., 2020, arXiv:1902.03393).
        """
        inputs, planner = self.inputs, self.first
        if before.links:
            planner = inputs.planner(before.links[-1].program, self.first.options)
        fitted = search(
            planner,
            constraints,
            inputs.train,
            inputs.recipe.prune,
            inputs.timer,
            self.folder,
        )
        return self._finished(fitted, before, constraints)

    def replayed(
        self, locked: Sequence[LockedCut]
    ) -> tuple[PrunedCandidate, Distilled]:
        """The cuts that an earlier build decided on, trained as it did."""
        cuts = Cuts(done=(), links=())
        for one in locked:
            network = cuts.links[-1].program if cuts.links else self.teachers.first
            planner = self.inputs.whole_planner(network, one.widths)
            cuts = self._finished(planned(planner, one), cuts)
            for _ in range(one.trainings - 1):
                cuts = self.take(Step(kind="longer", demand=None), cuts)
        return self.together(cuts)

    def _finished(
        self,
        fitted: PrunedCandidate,
        before: Cuts,
        constraints: PlanConstraints | None = None,
    ) -> Cuts:
        """A planned cut after those before, refitted and trained."""
        inputs, recipe, teachers = self.inputs, self.inputs.recipe.prune, self.teachers
        if before.links:
            teachers = teachers.led_by(before.links[-1].program)
        if recipe.sparsity != "none" and not fitted.whole:
            fitted = _emptied(inputs, self.teachers.first, fitted)
        if recipe.compensate and not fitted.whole:
            fitted = compensated(fitted, inputs)
        again = recipe.reestimate_batch_norm
        if (not recipe.compensate if again is None else again) and not fitted.whole:
            fitted = _with_own_statistics(fitted, inputs, self.teachers.first)
        done = (*before.done, fitted)
        if self.expectations is not None:
            outlook = self.expectations.outlook(damage_of(done))
            inputs.progress.say(f"After training: {outlook_words(outlook)}")
            if not before.links and constraints is not None:
                self._check_reach(damage_of(done), constraints)
        spec = TrainingSpec(recipe=inputs.recipe.distill)
        link = train_student(inputs.training, teachers, fitted.student, spec)
        return Cuts(
            done=done,
            links=(*before.links, link),
            trainings=(*before.trainings, 1),
        )

    def _check_reach(self, damage: float | None, constraints: PlanConstraints) -> None:
        """Raise `BudgetInfeasible` where training hardly makes up for a damage.

        A speed-up that no budget sets is not refused, and may be milder next.
        """
        assumed = any(isinstance(note, SpeedupAssumed) for note in constraints.notes)
        allowed = self.inputs.budget.accuracy_drop
        if self.inputs.accept_doubts or assumed or allowed is None:
            return
        if self.expectations is not None:
            demand = self.inputs.gain * (constraints.speedup or 1.0)
            refuse_hopeless(self.expectations, damage, allowed, demand)

    def _trained(self, fitted: PrunedCandidate, student: Program) -> Distilled:
        """A student trained once more, from where it is."""
        spec = TrainingSpec(recipe=self.inputs.recipe.distill, title="Distill longer")
        return train_student(self.inputs.training, self.teachers, student, spec)

    def together(self, cuts: Cuts) -> tuple[PrunedCandidate, Distilled]:
        """All cuts as one of the unpruned network."""
        whole = all_as_one(self.first, list(cuts.done), list(cuts.links))
        made = tuple(
            LockedCut(
                plan=one.solution.plan, widths=one.solution.widths, trainings=count
            )
            for one, count in zip(cuts.done, cuts.trainings, strict=True)
        )
        return replace(whole, cuts=made), cuts.links[-1]


def expected_damage(
    inputs: PruningInputs, planner: Planner, constraints: PlanConstraints
) -> float | None:
    """Expected loss increase of one cut of the planner's network, before any training.

    Raises `BudgetInfeasible` where no plan keeps the constraints.
    """
    cost = constraints.speedup and constraints.full_cost / constraints.speedup
    train, progress, store = inputs.train, inputs.progress, inputs.training.store
    criterion = inputs.recipe.prune.importance
    scores = score_importance(planner.graph, train, criterion, progress, store)
    senses = probe(planner, scores, train, progress, store)
    solution = solve_for(planner, scores, senses, constraints, cost)
    return solution.expected_loss_increase


def refuse_hopeless(
    expectations: Expectations, damage: float | None, allowed: float, speedup: float
) -> None:
    """Raise `BudgetInfeasible` where a plan loses more than `allowed` all over its band."""
    if expectations.out_of_reach(damage, allowed):
        outlook = outlook_words(expectations.outlook(damage))
        raise BudgetInfeasible(
            f"A speed-up of {speedup:.2f} with accuracy_drop = {allowed} is out of reach: "
            f"{outlook}. Ask for less: `edgekit plan` shows what each speed-up is "
            "expected to lose. Train all the same with --yes."
        )


def step_words(step: Step, last: TrainedPoint, gain: float) -> str:
    """The next training, and the reason for it."""
    if step.kind == "longer":
        return "The student was still learning: it is trained on from where it is"
    demand = gain * (step.demand or 1.0)
    before = gain * (last.demand or 1.0)
    if step.kind == "milder":
        why = "loses too much, and there is speed to spare"
    else:
        why = "can be faster"
    return (
        f"The network planned for {before:.2f}x {why}: planned again for {demand:.2f}x"
    )


def compensated(fitted: PrunedCandidate, inputs: PruningInputs) -> PrunedCandidate:
    """The same with the layers that read removed units refitted to the remaining ones."""
    held = 2 * fitted.planner.activation_bytes()
    memory = room(_MEMORY, best_device())
    count = min(_SAMPLES_FITTED, max(_FEWEST_FITTED, memory // max(1, held)))
    title = f"Fit the layers that lost inputs, on {count} samples"
    graph, plan, train = fitted.graph, fitted.solution.plan, inputs.train

    def make() -> Program:
        with inputs.progress.step(title):
            [(samples, _)] = batches(train, count)
            return reconstruct(graph, plan, samples)

    stage = Stage(
        kind="reconstruction",
        title=title,
        inputs={
            "network": stage_inputs.of_network(graph.program),
            "plan": plan,
            "samples": train.fingerprint(),
            "count": count,
            "versions": stage_inputs.training_versions(),
        },
        record=NetworkRecord(),
    )
    student = kept(inputs.training.store, stage, make, inputs.progress)
    return replace(fitted, student=student)


def _with_own_statistics(
    fitted: PrunedCandidate, inputs: PruningInputs, teacher: Program
) -> PrunedCandidate:
    """The same with the statistics of batch norm taken again, unless it is worse for it."""
    batch = batch_size(inputs.recipe.distill, inputs.training.spec.kind)
    found = renormalized(inputs.training, teacher, fitted.student, batch)
    if found is None:
        return fitted
    return replace(fitted, student=found.network, notes=(*fitted.notes, found.note))


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
    batches = math.ceil(
        len(inputs.train) / batch_size(recipe, inputs.training.spec.kind)
    )
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
            graph,
            inputs.train,
            prune.importance,
            inputs.progress,
            inputs.training.store,
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
