"""Cut a network and train it, as often as the budgets and the time ask for.

The units of a cut are emptied by training first on request of the recipe; layers that lost inputs
are refitted to the remaining ones, and the whole is trained before the next cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from edgekit.distill import Distilled
from edgekit.distill.learning_rate import trial_fraction
from edgekit.errors import BudgetInfeasible
from edgekit.export.workers import Variant, artifact_name
from edgekit.graph.surgery import shrink
from edgekit.pipeline.closed_loop import (
    TRAININGS,
    Cuts,
    Goal,
    Step,
    TrainedPoint,
    best_point,
    damage_of,
    frontier_of,
    refitted_of,
    run,
)
from edgekit.pipeline.constraints import PlanConstraints, too_slow
from edgekit.pipeline.cut_steps import aims, all_as_one, joined
from edgekit.pipeline.drawn_plans import PART, Draws
from edgekit.pipeline.expected_accuracy import (
    ALONE,
    REFITTED,
    Expectations,
    Law,
    keep_outcome,
)
from edgekit.pipeline.measured_damage import MeasuredDamage
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.refitting import mended, tried
from edgekit.pipeline.search import (
    NOISE,
    PrunedCandidate,
    SearchRound,
    planned,
    search,
    settled,
)
from edgekit.pipeline.training import (
    TeacherEnsemble,
    TrainingSpec,
    estimated_epoch_s,
    train_student,
)
from edgekit.pipeline.weighed import Weighed
from edgekit.program.program import Program
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.report.words import outlook as outlook_words
from edgekit.types import AccuracyOutlook
from edgekit.types.build_lock import LockedCut
from edgekit.types.notes import BudgetsNotPlanned, SpeedupAssumed


@dataclass(frozen=True, kw_only=True)
class Cutter:
    """Cuts and trains one network in one runtime and precision."""

    inputs: PruningInputs
    teachers: TeacherEnsemble
    first: Planner
    """Of the unpruned network."""
    final: PlanConstraints
    folder: Path
    damages: MeasuredDamage
    """Of the plans of this build."""
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
        file = point.judged.of(self.inputs.timer.variant)
        outcome = file.evaluation.value if file else None
        return self.expectations.outlook(*loss_before(point.cuts.done), outcome)

    def _keep_outcomes(self, points: Sequence[TrainedPoint]) -> None:
        """Keep what each plan came to, trained longest, for the expectations of later builds."""
        for damage, point in {one.cuts.damage: one for one in points}.items():
            file = point.judged.of(self.inputs.timer.variant)
            if file is not None and damage is not None and self.expectations:
                outcome = self.expectations.outcome(
                    damage, file.evaluation, point.cuts.refitted
                )
                keep_outcome(self.inputs.training.store, outcome)

    def _expected(self, fitted: PrunedCandidate) -> dict[str, float]:
        """The speed-up over fp32 of the file that was timed before training."""
        if fitted.measured_speedup is None:
            return {}
        name = artifact_name(*self.inputs.timer.variant)
        return {name: self.inputs.gain * fitted.measured_speedup}

    def _announce(self) -> None:
        """The time that training is expected to take, before it begins."""
        trainings, minutes = self._training_s / 60, self.inputs.recipe.minutes
        minutes = TRAININGS * trainings if minutes is None else minutes
        self.inputs.progress.say(
            f"Training takes about {trainings:.1f} min, and is repeated for at most "
            f"{minutes:.1f} min in all where a network misses a budget ([recipe] minutes)"
        )

    @cached_property
    def _training_s(self) -> float:
        """The time that a training is expected to take, with its trials of rates."""
        recipe = self.inputs.recipe.distill
        epoch_s = estimated_epoch_s(self.teachers.first, self.inputs.train)
        return (1 + trial_fraction(recipe)) * recipe.epochs * epoch_s

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
            damage_at=self._damage_at,
        )

    def _damage_at(self, demand: float) -> float | None:
        """Expected loss increase of one cut for a demand, by the damages that are known now."""
        aimed = replace(self.final, speedup=demand)
        try:
            return expected_damage(self.inputs, self.first, aimed, self.damages)
        except BudgetInfeasible:
            return None

    def take(self, step: Step, last: Cuts) -> Cuts:
        """The networks of a step after `last`."""
        if step.kind == "longer":
            again = self._longer(last.links[-1].program)
            return replace(
                last,
                links=(*last.links[:-1], joined(last.links[-1], again)),
                trainings=(*last.trainings[:-1], last.trainings[-1] + 1),
            )
        aimed = replace(self.final, speedup=step.demand)
        if step.kind == "milder":
            return self.cut_all(aimed)
        try:
            at_once = expected_damage(self.inputs, self.first, aimed)
        except BudgetInfeasible:  # not in one cut
            at_once = None
        return replace(self.cut(aimed, last), at_once=at_once)

    def cut_all(self, final: PlanConstraints) -> Cuts:
        """Cuts from the unpruned network down to `final`."""
        cuts = Cuts(done=(), links=())
        steps = [*aims(final, self.first.parameters(), self.inputs.recipe.prune)]
        at_once: float | None = None
        if len(steps) > 1 and self.expectations is not None:
            at_once = expected_damage(self.inputs, self.first, final)
            self._check_reach(at_once, ALONE, final)
        for number, constraints in enumerate(steps, 1):
            if number > 1:
                self.inputs.progress.say(f"Cut {number} of {len(steps)}")
            cuts = self.cut(constraints, cuts)
        return replace(cuts, at_once=at_once)

    def cut(self, constraints: PlanConstraints, before: Cuts) -> Cuts:
        """One more cut, of the student of those before, trained.

        The network just trained is the teacher assistant: it is nearer to its cut, and a better
        teacher than the unpruned one (Mirzadeh et al., 2020, arXiv:1902.03393).
        """
        planner = self.first
        if before.links:
            network = before.links[-1].program
            planner = self.inputs.planner(network, self.first.options)
        weighed = self.inputs.weighed(planner)
        fitted = self.untrained(weighed, constraints)
        if not before.links and constraints == self.final and self._owes_speed():
            refuse_slow(fitted, constraints, self.inputs.timer.variant)
        cuts = self._trained(fitted, before, constraints)
        if not fitted.whole:
            self.damages.add(weighed, fitted, cuts.links[-1].program, trained=True)
        return cuts

    def untrained(
        self, weighed: Weighed, constraints: PlanConstraints
    ) -> PrunedCandidate:
        """A cut of the weighed network before its training, with its layers refitted.

        Raises `BudgetInfeasible`, naming the nearest feasible figures, where there is none.
        """
        if self.inputs.recipe.prune.sparsity == "none":
            draws = Draws(
                limit_s=PART * self._training_s,
                epochs=self.inputs.recipe.distill.epochs,
                network=partial(tried, inputs=self.inputs),
                timed=self._timed,
                refits=self.inputs.recipe.prune.compensate,
                seed=self.inputs.recipe.seed,
            )
            return self.damages.planned(weighed, constraints, self._refitted, draws)
        # Units are emptied by a training, which no plan repeats.
        return self._refitted(self.damages.corrected(weighed), constraints)

    def _refitted(
        self, weighed: Weighed, constraints: PlanConstraints
    ) -> PrunedCandidate:
        """A plan's network with its layers refitted."""
        inputs, rounds = self.inputs, self.inputs.recipe.prune.rounds
        fitted = search(weighed, constraints, rounds, inputs.timer, self.folder)
        return mended(fitted, self.inputs, self.teachers.first)

    def _timed(
        self,
        weighed: Weighed,
        constraints: PlanConstraints,
        solution: Solution,
        expected: float,
    ) -> PrunedCandidate:
        """A plan that was drawn, timed once and refitted."""
        planner, timer = weighed.planner, self.inputs.timer
        student = shrink(planner.graph, solution.plan)
        timed = timer.time(student, expected, self.folder / "drawn")
        turn = SearchRound(round=timed, solution=solution, student=student)
        fitted = settled(planner, constraints, [turn])
        return mended(fitted, self.inputs, self.teachers.first)

    def replayed(
        self, locked: Sequence[LockedCut]
    ) -> tuple[PrunedCandidate, Distilled]:
        """The cuts that an earlier build decided on, trained as it did."""
        cuts = Cuts(done=(), links=())
        for one in locked:
            network = cuts.links[-1].program if cuts.links else self.teachers.first
            planner = self.inputs.whole_planner(network, one.widths)
            cuts = self._trained(
                mended(planned(planner, one), self.inputs, self.teachers.first), cuts
            )
            for _ in range(one.trainings - 1):
                cuts = self.take(Step(kind="longer", demand=None), cuts)
        return self.together(cuts)

    def _trained(
        self,
        fitted: PrunedCandidate,
        before: Cuts,
        constraints: PlanConstraints | None = None,
    ) -> Cuts:
        """A refitted cut after those before, trained."""
        inputs, teachers = self.inputs, self.teachers
        if before.links:
            teachers = teachers.led_by(before.links[-1].program)
        done = (*before.done, fitted)
        if self.expectations is not None:
            outlook = self.expectations.outlook(*loss_before(done))
            inputs.progress.say(f"After training: {outlook_words(outlook)}")
            if not before.links and constraints is not None:
                self._check_reach(*loss_before(done), constraints)
        spec = TrainingSpec(recipe=inputs.recipe.distill)
        link = train_student(inputs.training, teachers, fitted.student, spec)
        return Cuts(
            done=done,
            links=(*before.links, link),
            trainings=(*before.trainings, 1),
        )

    def _refuses(self) -> bool:
        """Return whether a build ends before it trains; not for a speed-up that no budget sets,
        which may be milder next, nor where the user goes on all the same."""
        assumed = any(isinstance(note, SpeedupAssumed) for note in self.final.notes)
        return not (self.inputs.accept_doubts or assumed)

    def _owes_speed(self) -> bool:
        """Return whether only a file of this form can be as fast as budgets ask for: none is as
        fast uncut, and trained networks are judged by that speed."""
        inputs, budget = self.inputs, self.inputs.budget
        unplanned = any(
            isinstance(note, BudgetsNotPlanned) for note in self.final.notes
        )
        if self.expectations is None or inputs.recipe.objective == "fastest":
            return False
        if not self._refuses() or (unplanned and budget.speedup is None):
            return False
        fastest = max(inputs.uncut.speedups.values(), default=1.0)
        return inputs.uncut.fastest is None and fastest <= inputs.gain * NOISE

    def _check_reach(
        self, damage: float | None, law: Law, constraints: PlanConstraints
    ) -> None:
        """Raise `BudgetInfeasible` where training hardly makes up for a damage."""
        allowed = self.inputs.budget.accuracy_drop
        if allowed is None or not self._refuses():
            return
        if self.expectations is not None:
            demand = self.inputs.gain * (constraints.speedup or 1.0)
            refuse_hopeless(self.expectations, damage, law, allowed, demand)

    def _longer(self, student: Program) -> Distilled:
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


def loss_before(done: Sequence[PrunedCandidate]) -> tuple[float | None, Law]:
    """The loss increase of cuts before training, measured where each was, and the law of it."""
    measured = refitted_of(done)
    return (damage_of(done), ALONE) if measured is None else (measured, REFITTED)


def expected_damage(
    inputs: PruningInputs,
    planner: Planner,
    constraints: PlanConstraints,
    measured: MeasuredDamage | None = None,
) -> float | None:
    """Expected loss increase of one cut of the planner's network, before any training; planned by
    damages as they were `measured` so far.

    Raises `BudgetInfeasible` where no plan keeps the constraints.
    """
    cost = constraints.speedup and constraints.full_cost / constraints.speedup
    weighed = inputs.weighed(planner)
    if measured is not None:
        weighed = measured.corrected(weighed)
    return weighed.solve(constraints, cost).expected_loss_increase


def refuse_slow(
    fitted: PrunedCandidate, constraints: PlanConstraints, planned: Variant
) -> None:
    """Raise `BudgetInfeasible` where no plan is as fast as required, by measurement."""
    if fitted.out_of_reach and fitted.measured_speedup:
        name = artifact_name(*planned)
        raise too_slow(constraints, fitted.measured_speedup, name)


def refuse_hopeless(
    expectations: Expectations,
    damage: float | None,
    law: Law,
    allowed: float,
    speedup: float,
) -> None:
    """Raise `BudgetInfeasible` where a plan loses more than `allowed` all over its band."""
    if expectations.out_of_reach(damage, law, allowed):
        outlook = outlook_words(expectations.outlook(damage, law))
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
