"""Points of a build's frontier: a network's files, judged on validation data and timed beside the
unpruned one in fp32.

The unpruned network comes first, in every precision that the profile allows: where one of them
keeps every budget, nothing has to be cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from edgekit import tasks
from edgekit.bench.tiers import planning
from edgekit.bench.verdict import at_most, verdicts
from edgekit.evaluate.accuracy import evaluate, predict
from edgekit.export.workers import Variant, artifact_name
from edgekit.pipeline.baselines import Baselines
from edgekit.pipeline.constraints import required_speedup
from edgekit.pipeline.cost_model import operators_of
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.evaluate import (
    Benchmark,
    Contest,
    EvaluatedArtifact,
    EvaluationInputs,
    evaluate_artifacts,
)
from edgekit.pipeline.exports import StudentExports
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.repeated import Speedups, believed
from edgekit.pipeline.request import BuildRequest
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.types import (
    Artifact,
    Budget,
    Candidate,
    FrontierPoint,
    IOFusion,
    Target,
    shown_loss,
)
from edgekit.types.notes import SpeedupAssumed

MARGIN = 1.03
"""Factor above the required speed-up for a file whose speed is measured again later."""
SURE = 0.8
"""Confidence in its accuracy that a network which was cut for an assumed speed-up needs."""
_SAFE_LOSS = 0.5
"""Fraction of the accuracy budget that a precision may take where widths are cut besides."""
_MOST = 2000
"""Validation samples that judge a file: their count resolves a tenth of a point."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A network's files on validation data, and those of them that keep every budget."""

    candidates: tuple[Candidate, ...] = ()
    within: tuple[Candidate, ...] = ()
    """Those that keep every budget."""
    safe: tuple[Candidate, ...] = ()
    """Of these, those with speed to spare: another timing will not change that."""
    stated: tuple[Candidate, ...] = ()
    """Those that keep every budget that the project sets: no speed-up is assumed."""

    @property
    def kept(self) -> Candidate | None:
        """The most accurate file that keeps every budget, if any."""
        return most_accurate(self.within)

    @property
    def fastest(self) -> Candidate | None:
        """The fastest file that keeps every budget that the project sets, if any."""
        return max(self.stated, key=lambda one: one.speedup, default=None)

    @property
    def speedups(self) -> dict[str, float]:
        """The speed-up of each file, by name."""
        return {_base_name(one.artifact): one.speedup for one in self.candidates}

    def plain(self, variant: Variant) -> Candidate | None:
        """The file of a variant, quantized as untrained plans are; `None` where there is none."""
        found = (one for one in self.candidates if _as_planned(one.artifact, variant))
        return next(found, None)

    def of(self, variant: Variant) -> Candidate | None:
        """The file of a variant: the plain one, else that with layers in float, or the like."""
        found = (
            one
            for one in self.candidates
            if (one.artifact.runtime, one.artifact.precision) == variant[:2]
        )
        return self.plain(variant) or next(found, None)

    def points(self, name: str, *, final: bool = False) -> tuple[FrontierPoint, ...]:
        """The files as points of the report's frontier; `final` of the network that ends."""
        return tuple(
            FrontierPoint(
                name=name,
                artifact=_base_name(one.artifact),
                speedup=one.speedup,
                p50_ms=one.measurement.latency.p50_ms,
                evaluation=one.evaluation,
                accuracy_drop=one.accuracy_drop,
                loss_unit=one.loss_unit,
                within=any(one is kept for kept in self.stated),
                final=final,
            )
            for one in self.candidates
        )

    def gain(self, variant: Variant, limit: float | None, lost: float = 0.0) -> float:
        """Speed-up over fp32 by the precision alone; 0 where it is not known, or takes so much of
        the accuracy budget (`limit`) besides what is `lost` without it that little remains for
        cuts."""
        found = self.plain(variant)
        if variant[1] == "fp32":
            return 1.0 if found is None else found.speedup
        kept = found and (limit is None or found.keeps(lost + _SAFE_LOSS * limit))
        return found.speedup if found and kept else 0.0


@dataclass(frozen=True, kw_only=True)
class NetworkEvaluator:
    """Exports networks, judges their files, and times them beside the unpruned network."""

    exporting: StudentExports
    evaluation: EvaluationInputs
    contest: Contest

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        loaded: Loaded,
        baselines: Baselines,
        exporting: StudentExports,
    ) -> NetworkEvaluator:
        """Of a build: on the data that judge it, beside all its `baselines`."""
        return cls(
            exporting=exporting,
            evaluation=EvaluationInputs.of(request, env, loaded),
            contest=Contest.of(request, env, loaded.reference, baselines.artifacts),
        )

    def on_validation(self) -> NetworkEvaluator:
        """The same on validation data, timed for a plan, for the runtimes that may win: the
        preferred one alone where the target is not attached."""
        contest = self.contest
        allowed = contest.baselines if contest.bench.proven else contest.baselines[:1]
        return replace(
            self,
            evaluation=_on_validation(self.evaluation),
            contest=replace(
                contest,
                bench=replace(contest.bench, tier=planning()),
                baselines=allowed,
            ),
        )

    def unpruned(self, teacher: Program, folder: Path) -> Judged:
        """The unpruned network in every precision that the profile allows.

        Its fp32 files are the baselines themselves where nothing is folded in around them, and
        it takes images of its own size.
        """
        own_size = self.evaluation.own_samples is None
        plain = self.exporting.samples.folding == IOFusion() and own_size
        own = self.contest.baselines if plain else ()
        requested = [
            each
            for each in self.exporting.requested(teacher)
            if not (plain and each[1] == "fp32")
        ]
        found = self.judge(teacher, requested, folder, own=own)
        _, height, width = (0, 0, 0) if own_size else teacher.inputs[0].shape
        size = "" if own_size else f" at {height} x {width}"
        _say(self.contest.bench.progress, found.points("uncut"), size)
        return found

    def student(
        self, student: Program, folder: Path, expected: Speedups | None = None
    ) -> Judged:
        """A student in every form that may win; each student needs a `folder` of its own.

        Measurements that contradict the speed-ups `expected` are repeated.
        """
        requested = self.exporting.requested(student)
        return self.judge(student, requested, folder, expected=expected or {})

    def judge(
        self,
        network: Program,
        requested: Sequence[Variant],
        folder: Path,
        *,
        own: Sequence[Artifact] = (),
        expected: Speedups = MappingProxyType({}),
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
        cut = network is not self.evaluation.network
        sound = [
            replace(one, unchanged=one.artifact in own)
            for one in evaluate_artifacts(self.evaluation, network, [*own, *made])
            if isinstance(one, EvaluatedArtifact)
        ]
        if not sound:
            return Judged()
        timed = believed(self.contest, sound, expected, "Measure the network")
        within = partial(
            keeping,
            timed,
            self.contest.budget,
            self.exporting.target,
            macs=sum(operator.macs for operator in operators_of(network)),
            proven=self.contest.bench.proven,
            cut=cut,
        )
        assumed = not self.contest.fastest
        return Judged(
            candidates=timed.candidates,
            within=within(assumed=assumed),
            safe=within(assumed=assumed, margin=MARGIN),
            stated=within(assumed=False),
        )


def _on_validation(inputs: EvaluationInputs) -> EvaluationInputs:
    """The same with validation samples in the place of those that judge the build.

    Where they have no labels, the unpruned network's outputs are right, and the metric is the
    task's agreement.
    """
    samples, network, metric = inputs.samples, inputs.network, inputs.metric
    count = len(samples.validation)
    most = np.unique(np.linspace(0, count - 1, min(count, _MOST)).astype(np.int64))
    own = inputs.own_samples or samples
    sets = [one.validation.subset(most) for one in (samples, own)]
    if not sets[0].labeled:
        answers = predict(network, sets[1])
        sets = [one.answered(answers) for one in sets]
        metric = tasks.of(inputs.spec).agree
    return replace(
        inputs,
        samples=replace(samples, test=sets[0]),
        own_samples=inputs.own_samples and replace(own, test=sets[1]),
        metric=metric,
        reference=evaluate(network, sets[1], metric=metric),
    )


def most_accurate(candidates: Sequence[Candidate]) -> Candidate | None:
    """The most accurate of the candidates, the fastest of several."""
    return min(
        candidates, key=lambda one: (one.accuracy_drop, -one.speedup), default=None
    )


def keeping(  # noqa: PLR0913 (files, budgets, and what is known of them)
    timed: Benchmark,
    budget: Budget,
    target: Target,
    *,
    macs: int,
    proven: bool,
    margin: float = 1.0,
    assumed: bool = True,
    cut: bool = False,
) -> tuple[Candidate, ...]:
    """The candidates that keep every budget, as far as it is known here.

    `macs` is the count of their network, and timings are `proven` where they are the target's
    own; `margin` is a factor above the required speed-up. A speed-up that no budget sets is
    required where it is `assumed`; a network that was `cut` for it has to keep the accuracy
    surely, since one that is whole may end instead.
    """
    unpruned = {one.runtime: one for one in timed.unpruned}
    kept = []
    for one in timed.candidates:
        before = unpruned[one.artifact.runtime]
        required, notes = required_speedup(
            budget,
            target.name,
            before.latency.p50_ms if proven else None,
            before.energy.gross_mj if proven else None,
        )
        if any(isinstance(note, SpeedupAssumed) for note in notes):
            required = required if assumed else None
            if cut and not _surely_accurate(one, budget):
                continue
        found = verdicts(one, budget, target, macs=macs)
        over = any(verdict.verdict == "over" for verdict in found)
        fast = required is None or _fast(one, required, margin)
        if not over and fast and _fits_memory(one, budget):
            kept.append(one)
    return tuple(kept)


def _fast(candidate: Candidate, required: float, margin: float) -> bool:
    """Return whether it is as fast as a plan would have to be.

    With a margin, but for the unpruned fp32 network, whose speed-up is 1 by definition.
    """
    margin = 1.0 if candidate.speedup == 1.0 else margin
    return at_most(required * margin, candidate.speedup)


def _surely_accurate(candidate: Candidate, budget: Budget) -> bool:
    """Return whether other samples would show that it keeps the accuracy too; true where no
    interval of its loss is known."""
    if budget.accuracy_drop is None or candidate.loss is None:
        return True
    return at_most(candidate.loss.bounds(SURE)[1], budget.accuracy_drop)


def _fits_memory(candidate: Candidate, budget: Budget) -> bool:
    """By this machine's figure where the target's is not known: a plan goes by it too."""
    if budget.memory_mb is None:
        return True
    peak_mb = candidate.measurement.peak_memory_mb
    return peak_mb is not None and at_most(peak_mb, budget.memory_mb)


def _base_name(artifact: Artifact) -> str:
    return artifact.name.removeprefix("unpruned-")


def _as_planned(artifact: Artifact, variant: Variant) -> bool:
    """Return whether it is quantized by the variant's first configuration, up to the ranges:
    neither layers left in float nor other operators, which cost another time."""
    if (artifact.runtime, artifact.precision) != variant[:2]:
        return False
    found = artifact.quantized
    if found is None:
        return True
    if _base_name(artifact) != artifact_name(*variant):
        return False
    first = found.trials[0].quant_config if found.trials else found.quant_config
    return replace(found.quant_config, ranges=first.ranges) == first


def _say(progress: Progress, points: Sequence[FrontierPoint], size: str) -> None:
    """One line of what the network is worth before anything is cut."""
    listed = "; ".join(
        f"{one.artifact} {one.speedup:.2f}x, "
        f"{shown_loss(one.accuracy_drop, one.loss_unit)} lost"
        for one in points
    )
    progress.say(
        f"Uncut{size}, on validation data: {listed or 'no file can be judged'}"
    )
