"""Losses of a build's networks on validation data, which correct the damages of its next plans."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch

from edgekit.data import Dataset
from edgekit.evaluate.accuracy import predict
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.drawn_plans import SPREADS, Draws, drawn
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.pipeline.weighed import Weighed
from edgekit.program.ends import in_logarithms
from edgekit.program.program import Program
from edgekit.prune.damage import MeasuredPlan, damages_of, factors
from edgekit.prune.sensitivity import divergence
from edgekit.prune.solution import Solution
from edgekit.report.note_words import sentence
from edgekit.store import Json, Stage, find, keep
from edgekit.types.notes import DamageMeasured, Note, PlansDrawn

_WORSE = 1.25
"""Measured loss over the expected one past which a plan is solved again."""
_TIMED = 3
"""Drawn plans that are timed, the best first, until one is as fast."""
_LESS = 0.95
"""Of a plan's measured loss, what another one has to stay below to take its place."""
_MOST = 2000
"""Validation samples that a loss is measured on."""
Refitted: TypeAlias = Callable[[Weighed, PlanConstraints], PrunedCandidate]
"""Plans a cut by what its units are worth, and refits its layers."""
_LOSSES = Json[tuple[tuple[float, ...], ...]](tuple[tuple[float, ...], ...])


@dataclass(frozen=True, kw_only=True)
class MeasuredDamage:
    """The plans of one build, and what their networks were measured to lose.

    A loss is the divergence of a student's outputs from those of the network that it was cut from,
    in nats a sample.
    """

    training: TrainingInputs
    plans: list[MeasuredPlan] = field(default_factory=list)

    def planned(
        self,
        weighed: Weighed,
        constraints: PlanConstraints,
        refitted: Refitted,
        draws: Draws | None = None,
    ) -> PrunedCandidate:
        """The best of several refitted plans, by the measured loss: one by damages as they are
        known, another by what it was measured to lose, where that is more than was expected, and
        the best one of those drawn."""
        around = self.corrected(weighed)
        first = refitted(around, constraints)
        expected = first.solution.expected_loss_increase
        if first.whole or not expected:
            return first
        best = self._by_what_it_lost(weighed, constraints, refitted, first)
        if draws is None:
            return best
        if best.solution.plan != first.solution.plan:
            around = self.corrected(weighed)
        return self._drawn(around, constraints, draws, best)

    def _by_what_it_lost(
        self,
        weighed: Weighed,
        constraints: PlanConstraints,
        refitted: Refitted,
        first: PrunedCandidate,
    ) -> PrunedCandidate:
        """The first plan, or another where that loses more than was expected."""
        expected = first.solution.expected_loss_increase or 0.0
        loss = self.add(weighed, first, first.student)
        first = replace(first, refitted_loss=loss)
        if loss <= _WORSE * expected:
            return first
        self.training.progress.say(
            f"The refitted plan loses {loss:.3g} nats a sample, {expected:.3g} were expected: "
            "planned again by what was measured"
        )
        second = refitted(self.corrected(weighed), constraints)
        if second.solution.plan == first.solution.plan:
            return first
        again = self.add(weighed, second, second.student)
        better = again < loss and _as_fast(second, first, constraints)
        note = DamageMeasured(
            expected=expected, measured=loss, again=again, replaced=better
        )
        kept = replace(second, refitted_loss=again) if better else first
        rounds = (*first.rounds, *second.rounds)
        return replace(kept, rounds=rounds, notes=(*kept.notes, note))

    def _drawn(
        self,
        weighed: Weighed,
        constraints: PlanConstraints,
        draws: Draws,
        first: PrunedCandidate,
    ) -> PrunedCandidate:
        """The plan, or the best of those that are drawn around the weighed network's damages at
        the plan's cost, if it is as fast."""
        loss = first.refitted_loss or 0.0
        found = self._tried(weighed, constraints, draws, first)
        less = [one for one in found if one[0] < _LESS * loss]
        if not less:
            return first
        less.sort(key=lambda one: one[0])
        (again, _), *_ = less
        rounds, best = first.rounds, None
        for lost, solution in less[:_TIMED]:
            speed = first.measured_speedup or 1.0
            other = draws.timed(weighed, constraints, solution, speed)
            rounds = (*rounds, *other.rounds)
            if _as_fast(other, first, constraints):
                again, best = lost, replace(other, refitted_loss=lost)
                break
        note = PlansDrawn(
            drawn=len(found), measured=loss, again=again, replaced=best is not None
        )
        self.training.progress.say(sentence(note))
        return replace(best or first, rounds=rounds, notes=_notes(first, best, note))

    def _tried(
        self,
        weighed: Weighed,
        constraints: PlanConstraints,
        draws: Draws,
        first: PrunedCandidate,
    ) -> list[tuple[float, Solution]]:
        """The drawn plans and what each loses, refitted; their losses are kept, so that the same
        build draws as many again."""
        training, whole = self.training, weighed.planner.graph.program
        samples = training.samples
        stage = Stage(
            kind="drawn-plans",
            title="Plans of equal cost, refitted",
            inputs={
                "network": stage_inputs.of_network(whole),
                "plan": first.solution.plan,
                "cost": first.solution.cost,
                "factors": weighed.factors,
                "seed": draws.seed,
                "count": draws.count,
                "epochs": draws.epochs,
                "refits": draws.refits,
                "train": samples.train.fingerprint(),
                "validation": samples.validation.fingerprint(),
                "versions": stage_inputs.training_versions(),
            },
            record=_LOSSES,
        )
        known = find(training.store, stage, training.progress)
        began, took = time.monotonic(), 0.0
        half = replace(
            draws,
            count=draws.count // len(SPREADS),
            cost=None if constraints.speedup is None else first.solution.cost,
        )
        least, by = first.refitted_loss or 0.0, weighed.factors
        seen, found = [first.solution.plan], list[tuple[float, Solution]]()
        rounds: list[tuple[float, ...]] = []
        with training.progress.step(stage.title) as step:
            for number, spread in enumerate(SPREADS):
                until = began + draws.limit_s * (number + 1) / len(SPREADS)
                around, losses = replace(weighed, factors=by), list[float]()
                for factors, solution in drawn(around, constraints, seen, half, spread):
                    start, done = time.monotonic(), len(losses)
                    if (
                        start + took > until
                        if known is None
                        else done == len(known[number])
                    ):
                        break
                    step.update(len(found), draws.count)
                    if known is None:
                        student = draws.network(weighed, solution)
                        lost = divergence_of(student, whole, samples.validation)
                        took = time.monotonic() - start
                    else:
                        lost = known[number][done]
                    self._keep(weighed, solution, lost)
                    losses.append(lost)
                    found.append((lost, solution))
                    if lost < least:
                        least, by = lost, factors
                rounds.append(tuple(losses))
        if known is None:
            keep(training.store, stage, tuple(rounds), time.monotonic() - began)
        return found

    def corrected(self, weighed: Weighed) -> Weighed:
        """The same with damages corrected by all plans so far."""
        return replace(weighed, factors=factors(self.plans))

    def add(
        self,
        weighed: Weighed,
        fitted: PrunedCandidate,
        student: Program,
        *,
        trained: bool = False,
    ) -> float:
        """Measure the loss of a plan's student, and keep it for the next plan."""
        whole = weighed.planner.graph.program
        loss = divergence_of(student, whole, self.training.samples.validation)
        self._keep(weighed, fitted.solution, loss, trained=trained)
        return loss

    def _keep(
        self,
        weighed: Weighed,
        solution: Solution,
        loss: float,
        *,
        trained: bool = False,
    ) -> None:
        damages = damages_of(weighed.objective, solution.widths, solution.dropped)
        self.plans.append(MeasuredPlan(damages=damages, loss=loss, trained=trained))


def divergence_of(student: Program, whole: Program, samples: Dataset) -> float:
    """Divergence of a student's outputs from those of the whole network, in nats a sample."""
    count = len(samples)
    few = samples.subset(
        np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(np.int64))
    )
    found, desired = (
        torch.from_numpy(predict(in_logarithms(one), few)) for one in (student, whole)
    )
    return divergence(found, desired)


def _notes(
    first: PrunedCandidate, better: PrunedCandidate | None, note: Note
) -> tuple[Note, ...]:
    """Of the better plan, or else the first, and of how it came about."""
    if better is None:
        return (*first.notes, note)
    before = (one for one in first.notes if isinstance(one, DamageMeasured))
    return (*better.notes, *before, note)


def _as_fast(
    second: PrunedCandidate, first: PrunedCandidate, constraints: PlanConstraints
) -> bool:
    """Return whether the second plan is as fast as required, or as the first was."""
    speeds = [one.measured_speedup or 0.0 for one in (first, second)]
    return speeds[1] >= min(speeds[0], constraints.speedup or 0.0)
