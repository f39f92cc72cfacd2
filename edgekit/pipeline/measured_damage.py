"""Losses of a build's networks on validation data, which correct the damages of its next plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch

from edgekit.data import Dataset
from edgekit.evaluate.accuracy import predict
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.search import PrunedCandidate
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.pipeline.weighed import Weighed
from edgekit.program.ends import in_logarithms
from edgekit.program.program import Program
from edgekit.prune.damage import MeasuredPlan, damages_of, factors
from edgekit.prune.sensitivity import divergence
from edgekit.types.notes import DamageMeasured

_WORSE = 1.25
"""Measured loss over the expected one past which a plan is solved again."""
_MOST = 2000
"""Validation samples that a loss is measured on."""
Refitted: TypeAlias = Callable[[Weighed, PlanConstraints], PrunedCandidate]
"""Plans a cut by what its units are worth, and refits its layers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredDamage:
    """The plans of one build, and what their networks were measured to lose.

    A loss is the divergence of a student's outputs from those of the network that it was cut from,
    in nats a sample.
    """

    training: TrainingInputs
    plans: list[MeasuredPlan] = field(default_factory=list)

    def planned(
        self, weighed: Weighed, constraints: PlanConstraints, refitted: Refitted
    ) -> PrunedCandidate:
        """The better of two refitted plans: one by damages as they are known, and another by what
        it was measured to lose, where that is more than was expected."""
        first = refitted(self.corrected(weighed), constraints)
        expected = first.solution.expected_loss_increase
        if first.whole or not expected:
            return first
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
        solution = fitted.solution
        dropped = solution.dropped
        damages = damages_of(weighed.objective, solution.widths, dropped)
        whole = weighed.planner.graph.program
        loss = divergence_of(student, whole, self.training.samples.validation)
        found = MeasuredPlan(damages=damages, loss=loss, trained=trained)
        self.plans.append(found)
        return loss


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


def _as_fast(
    second: PrunedCandidate, first: PrunedCandidate, constraints: PlanConstraints
) -> bool:
    """Return whether the second plan is as fast as required, or as the first was."""
    speeds = [one.measured_speedup or 0.0 for one in (first, second)]
    return speeds[1] >= min(speeds[0], constraints.speedup or 0.0)
