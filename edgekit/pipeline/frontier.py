"""Points of a build's frontier: a network's files, judged on validation data and timed beside the
unpruned one in fp32.

The unpruned network comes first, in every precision that the profile allows: where one of them
keeps every budget, nothing has to be cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.bench.verdict import at_most, verdicts
from edgekit.export.workers import Variant
from edgekit.pipeline.baselines import Baselines
from edgekit.pipeline.constraints import required_speedup
from edgekit.pipeline.cost_model import operators_of
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.evaluate import (
    Benchmark,
    Contest,
    EvaluatedArtifact,
    EvaluationInputs,
    benchmark,
    evaluate_artifacts,
    on_validation,
)
from edgekit.pipeline.exports import StudentExports
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.types import (
    Artifact,
    Budget,
    Candidate,
    FrontierPoint,
    IOFusion,
    Precision,
    Target,
    shown_loss,
)

MARGIN = 1.03
"""Factor above the required speed-up for a file whose speed is measured again later."""
_SAFE_LOSS = 0.5
"""Fraction of the accuracy budget that a precision may take where widths are cut besides."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A network's files on validation data, and the one that keeps every budget, if any."""

    candidates: tuple[Candidate, ...] = ()
    kept: Candidate | None = None
    """The most accurate of those that keep every budget, the fastest of several."""

    def points(self, name: str) -> tuple[FrontierPoint, ...]:
        """The files as points of the report's frontier."""
        return tuple(
            FrontierPoint(
                name=name,
                artifact=one.artifact.name.removeprefix("unpruned-"),
                speedup=one.speedup,
                p50_ms=one.measurement.latency.p50_ms,
                evaluation=one.evaluation,
                accuracy_drop=one.accuracy_drop,
                loss_unit=one.loss_unit,
                within=one is self.kept,
            )
            for one in self.candidates
        )

    def gain(self, precision: Precision, limit: float | None) -> float:
        """Speed-up over fp32 by the precision alone; 0 where it is not known, or takes so much of
        the accuracy budget (`limit`) that little remains for cuts."""
        if precision == "fp32":
            return 1.0
        gains = [
            one.speedup
            for one in self.candidates
            if one.artifact.precision == precision
            and (limit is None or one.keeps(_SAFE_LOSS * limit))
        ]
        return max(gains, default=0.0)


@dataclass(frozen=True, kw_only=True)
class FrontierEvaluator:
    """Exports networks in the forms that may win, and measures the files on validation data."""

    exporting: StudentExports
    evaluation: EvaluationInputs
    """On validation data."""
    contest: Contest
    """Beside the unpruned network on the runtimes that may win."""

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        loaded: Loaded,
        baselines: Baselines,
        exporting: StudentExports,
    ) -> FrontierEvaluator:
        """Of a build: where the target is not attached, the preferred runtime alone may win."""
        evaluation = EvaluationInputs.of(request, env, loaded)
        allowed = baselines.artifacts if env.proven else baselines.artifacts[:1]
        contest = Contest.of(request, env, loaded.reference, allowed)
        return cls(
            exporting=exporting,
            evaluation=on_validation(evaluation),
            contest=contest,
        )

    def unpruned(self, teacher: Program, folder: Path) -> Judged:
        """The unpruned network in every precision that the profile allows.

        Its fp32 files are the baselines themselves where nothing is folded in around them.
        """
        plain = self.exporting.samples.folding == IOFusion()
        own = self.contest.baselines if plain else ()
        requested = [
            each
            for each in self.exporting.requested(teacher)
            if not (plain and each[1] == "fp32")
        ]
        found = self.judge(teacher, requested, folder, own=own)
        _say(self.contest.bench.progress, found.points("uncut"))
        return found

    def student(self, student: Program, folder: Path) -> Judged:
        """A student in every form that may win; each student needs a `folder` of its own."""
        return self.judge(student, self.exporting.requested(student), folder)

    def judge(
        self,
        network: Program,
        requested: Sequence[Variant],
        folder: Path,
        *,
        own: Sequence[Artifact] = (),
    ) -> Judged:
        """A network's files in the forms `requested`, of the runtimes that may win.

        `own` are files that exist, with the unpruned network's own speed. Nothing is judged
        where no file is its network.
        """
        runtimes = {one.runtime for one in self.contest.baselines}
        eligible = [each for each in requested if each[0] in runtimes]
        made: Sequence[Artifact] = ()
        if eligible:
            title = "Export the network for validation"
            made = self.exporting.export(
                network, eligible, folder, title=title, required=False
            ).artifacts
        sound = [
            replace(one, unchanged=one.artifact in own)
            for one in evaluate_artifacts(self.evaluation, network, [*own, *made])
            if isinstance(one, EvaluatedArtifact)
        ]
        if not sound:
            return Judged()
        timed = benchmark(self.contest, sound, "Measure the network")
        kept = most_accurate_within(
            timed,
            self.contest.budget,
            self.exporting.target,
            macs=sum(operator.macs for operator in operators_of(network)),
            proven=self.contest.bench.proven,
        )
        return Judged(candidates=timed.candidates, kept=kept)


def most_accurate_within(
    timed: Benchmark, budget: Budget, target: Target, *, macs: int, proven: bool
) -> Candidate | None:
    """The most accurate candidate that keeps every budget, as far as it is known here.

    The fastest of several; `macs` is the count of their network, and timings are `proven` where
    they are the target's own.
    """
    unpruned = {one.runtime: one for one in timed.unpruned}
    kept = []
    for one in timed.candidates:
        before = unpruned[one.artifact.runtime]
        required, _ = required_speedup(
            budget,
            target.name,
            before.latency.p50_ms if proven else None,
            before.energy.gross_mj if proven else None,
        )
        found = verdicts(one, budget, target, macs=macs)
        over = any(verdict.verdict == "over" for verdict in found)
        if not over and _fast_enough(one, required) and _fits_memory(one, budget):
            kept.append(one)
    return min(kept, key=lambda one: (one.accuracy_drop, -one.speedup), default=None)


def _fast_enough(candidate: Candidate, required: float | None) -> bool:
    """Return whether it is as fast as a plan would have to be.

    With a margin, but for the unpruned fp32 network, whose speed-up is 1 by definition.
    """
    if required is None:
        return True
    margin = 1.0 if candidate.speedup == 1.0 else MARGIN
    return at_most(required * margin, candidate.speedup)


def _fits_memory(candidate: Candidate, budget: Budget) -> bool:
    """By this machine's figure where the target's is not known: a plan goes by it too."""
    if budget.memory_mb is None:
        return True
    peak_mb = candidate.measurement.peak_memory_mb
    return peak_mb is not None and at_most(peak_mb, budget.memory_mb)


def _say(progress: Progress, points: Sequence[FrontierPoint]) -> None:
    """One line of what the network is worth before anything is cut."""
    listed = "; ".join(
        f"{one.artifact} {one.speedup:.2f}x, "
        f"{shown_loss(one.accuracy_drop, one.loss_unit)} lost"
        for one in points
    )
    progress.say(f"Uncut, on validation data: {listed or 'no file can be judged'}")
