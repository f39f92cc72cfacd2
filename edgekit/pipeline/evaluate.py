"""Prove each artifact: its outputs against the network's, its accuracy, its speed; then choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgekit.bench.statistics import speedup
from edgekit.bench.verdict import choose
from edgekit.data import Dataset, predictions
from edgekit.devices import Device
from edgekit.errors import ArtifactError, ParityError
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.paired_loss import paired_loss
from edgekit.evaluate.parity import compare
from edgekit.evaluate.run import infer_all
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.check_data import relative
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.io_fusion import artifact_inputs
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner
from edgekit.pipeline.samples import BuildData
from edgekit.pipeline.stage_records import ArraysRecord
from edgekit.program.program import Program
from edgekit.progress import Progress, Silent
from edgekit.report.export_words import fault as fault_words
from edgekit.store import Stage, Store, kept
from edgekit.tasks.scores import Metric
from edgekit.types import (
    DEFAULT_TASK,
    Artifact,
    Budget,
    Candidate,
    Evaluation,
    IOFusion,
    Measurement,
    PairedLoss,
    Parity,
    RuntimeName,
    TaskKind,
    TaskSpec,
)
from edgekit.types.export_notes import NotCompeting, ParityFault
from edgekit.types.notes import IntervalMissing, Note, unique

Outputs = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Results: the unpruned network's accuracy and speed, and every candidate."""

    reference: Evaluation
    unpruned: tuple[Measurement, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[Note, ...] = ()
    unchanged: tuple[str, ...] = ()
    """Artifacts that are the unpruned network itself, by name."""

    @property
    def chosen(self) -> Candidate:
        """The chosen candidate."""
        return next(candidate for candidate in self.candidates if candidate.chosen)

    def evaluated(self, candidate: Candidate) -> EvaluatedArtifact:
        """Results of a candidate before it was timed."""
        return EvaluatedArtifact(
            artifact=candidate.artifact,
            parity=candidate.parity,
            evaluation=candidate.evaluation,
            accuracy_drop=candidate.accuracy_drop,
            relative_drop=candidate.relative_drop,
            loss=candidate.loss,
            unchanged=candidate.artifact.name in self.unchanged,
        )


@dataclass(frozen=True, kw_only=True)
class EvaluatedArtifact:
    """Outputs of an artifact: their distance from its network's, and the metric."""

    artifact: Artifact
    parity: Parity
    evaluation: Evaluation
    accuracy_drop: float
    relative_drop: bool = False
    """True where `accuracy_drop` is a fraction of the unpruned network's value."""
    unchanged: bool = False
    """True where the file is the unpruned network's own: its speed-up is 1, and not what the
    noise of two measurements of one network makes of it."""

    loss: PairedLoss | IntervalMissing | None = None
    """The drop with its uncertainty, or what the metric lacks for that."""

    def keeps(self, limit: float) -> bool:
        """Return whether it loses at most `limit` of the metric."""
        return self.evaluation.keeps(
            self.accuracy_drop, limit, relative=self.relative_drop
        )


@dataclass(frozen=True, kw_only=True)
class BrokenArtifact:
    """An artifact that is not its network, and why."""

    artifact: Artifact
    failure: ArtifactError

    def keeps(self, limit: float) -> bool:
        """Return whether it keeps a budget: it never does."""
        return False


Evaluated = EvaluatedArtifact | BrokenArtifact


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """References of every artifact of one build."""

    reference: Evaluation
    """The unpruned network's."""
    network: Program
    """The unpruned network."""
    samples: BuildData
    spec: TaskSpec
    metric: Metric
    device: Device
    progress: Progress
    store: Store | None = None
    """Where outputs are kept for later builds; `None` keeps nothing."""
    own_samples: BuildData | None = None
    """The samples that `network` takes, where the files take images of another size."""

    @property
    def before(self) -> Dataset:
        """The samples that judge files, as `network` takes them."""
        return (self.own_samples or self.samples).test

    @classmethod
    def of(
        cls, request: BuildRequest, env: Environment, loaded: Loaded
    ) -> EvaluationInputs:
        """Of a build, on its device."""
        return cls(
            reference=loaded.reference,
            network=loaded.original.teacher,
            samples=loaded.samples,
            own_samples=loaded.own.samples if loaded.own else None,
            spec=request.project.task,
            metric=loaded.metric,
            device=env.device,
            progress=env.progress,
            store=env.store,
        )


def evaluate_artifacts(
    inputs: EvaluationInputs, student: Program, artifacts: Sequence[Artifact]
) -> list[Evaluated]:
    """Every artifact's outputs on its runtime, against the network's and by the task's metric.

    One that its runtime refuses fails; where one in float gives other outputs than the student,
    so does all that is quantized from it.
    """
    samples, reference, how = inputs.samples, inputs.reference, inputs.samples.folding
    expected = predictions.expected(predict(student, samples.test), how)
    before = predict(inputs.network, inputs.before)
    given = artifact_inputs(samples).test
    targets = given.targets
    outputs: dict[str, Outputs | ArtifactError] = {}
    with inputs.progress.step("Evaluate the artifacts") as step:
        for number, artifact in enumerate(artifacts):
            step.update(number, len(artifacts), artifact.name)
            try:
                outputs[artifact.name] = _outputs(inputs, artifact, given)
            except ArtifactError as error:
                outputs[artifact.name] = error
    as_fraction, kind = relative(inputs.spec, reference), inputs.spec
    found: list[Evaluated] = []
    for artifact in artifacts:
        try:
            answered = _scores(outputs[artifact.name], how)
            decided = how.postprocess == "argmax"
            parity = check_parity(artifact, answered, expected, kind, decided=decided)
            after = predictions.logits(answered, how)
            evaluation = inputs.metric(after, targets)
            _check_finite(artifact, evaluation)
        except ArtifactError as error:
            found.append(BrokenArtifact(artifact=artifact, failure=error))
            continue
        found.append(
            EvaluatedArtifact(
                artifact=artifact,
                parity=parity,
                evaluation=evaluation,
                accuracy_drop=reference.drop(evaluation, relative=as_fraction),
                relative_drop=as_fraction,
                loss=paired_loss(
                    before, after, targets, inputs.metric, relative=as_fraction
                ),
            )
        )
    return _without_broken_origins(found)


def _outputs(inputs: EvaluationInputs, artifact: Artifact, given: Dataset) -> Outputs:
    """Outputs of an artifact for the samples, those of an earlier build where it had both."""
    reads, device = inputs.network.reads, inputs.device
    stage = Stage(
        kind="outputs",
        title=f"Outputs of {artifact.name}",
        inputs={
            "artifact": stage_inputs.of_files(artifact),
            "samples": given.fingerprint(),
            "reads": reads,
            "device": device.name,
            "machine": device.fingerprint(),
            "versions": stage_inputs.libraries([artifact.runtime]),
        },
        record=ArraysRecord(),
        portable=False,
    )

    def make() -> dict[str, Outputs]:
        return {"outputs": infer_all(artifact, given, device, reads)}

    return kept(inputs.store, stage, make, Silent())["outputs"]


def unchanged(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The same of a student that is the unpruned network: its fp32 files are that one's."""
    return [
        replace(one, unchanged=one.artifact.precision == "fp32")
        if isinstance(one, EvaluatedArtifact)
        else one
        for one in evaluated
    ]


def _scores(outputs: Outputs | ArtifactError, how: IOFusion) -> Outputs:
    if isinstance(outputs, ArtifactError):
        raise outputs
    return predictions.scores(outputs, how)


def _without_broken_origins(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The same, where what is quantized from a broken file in float is as broken."""
    broken = {
        one.artifact.runtime: one.failure
        for one in evaluated
        if isinstance(one, BrokenArtifact) and one.artifact.precision == "fp32"
    }
    return [
        BrokenArtifact(artifact=one.artifact, failure=broken[one.artifact.runtime])
        if isinstance(one, EvaluatedArtifact) and one.artifact.runtime in broken
        else one
        for one in evaluated
    ]


def _check_finite(artifact: Artifact, evaluation: Evaluation) -> None:
    if not math.isfinite(evaluation.value):
        raise ParityError(
            f"{artifact.name} has a {evaluation.metric} of {evaluation.value} on "
            f"{evaluation.samples} samples: it answers nothing that can be scored.",
            ParityFault(
                measure="metric", metric=evaluation.metric, samples=evaluation.samples
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Baselines that candidates are timed beside, and criteria of the choice."""

    bench: BenchRunner
    reference: Evaluation
    baselines: tuple[Artifact, ...]
    """The unpruned network on each runtime."""
    budget: Budget
    priority: tuple[str, ...]
    """The budgets in the order of their weight."""
    fastest: bool = False
    """True where the fastest network inside the accuracy budget is searched for."""

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        reference: Evaluation,
        baselines: tuple[Artifact, ...],
    ) -> Contest:
        """By the budgets of the project, in its order."""
        return cls(
            bench=BenchRunner.of(request, env),
            reference=reference,
            baselines=baselines,
            budget=request.project.budget,
            priority=request.project.priority,
            fastest=request.project.recipe.objective == "fastest",
        )

    def choose(
        self, candidates: Sequence[Candidate], first: RuntimeName
    ) -> tuple[Candidate, ...]:
        """The candidates, one of them chosen; of the `first` runtime where the target is not
        attached, since runtimes compare otherwise there."""
        preferred = None if self.bench.proven else first
        return choose(candidates, self.budget, preferred, self.priority)


def benchmark(
    contest: Contest,
    evaluated: Sequence[Evaluated],
    title: str = "Measure on the runtime",
) -> Benchmark:
    """Time every artifact beside the unpruned network, in one run, and choose one.

    Raises `ArtifactError` where every artifact is broken.
    """
    sound, broken = _sound(evaluated)
    baselines = contest.baselines
    artifacts = [one.artifact for one in sound]
    others = [one for one in artifacts if one not in baselines]
    measured = contest.bench.measure([*baselines, *others], title)
    unpruned = {b.runtime: measured[b.name] for b in baselines}
    candidates = []
    for one in sound:
        measurement = measured[one.artifact.name]
        candidates.append(
            Candidate(
                artifact=one.artifact,
                parity=one.parity,
                evaluation=one.evaluation,
                measurement=measurement,
                speedup=1.0
                if one.unchanged
                else speedup(
                    unpruned[one.artifact.runtime], measurement, own_threads=True
                ),
                accuracy_drop=one.accuracy_drop,
                relative_drop=one.relative_drop,
                loss=one.loss if isinstance(one.loss, PairedLoss) else None,
            )
        )
    without = [one.loss for one in sound if isinstance(one.loss, IntervalMissing)]
    return Benchmark(
        reference=contest.reference,
        unpruned=tuple(measured[b.name] for b in baselines),
        candidates=contest.choose(candidates, sound[0].artifact.runtime),
        notes=(*broken, *unique(without)),
        unchanged=tuple(one.artifact.name for one in sound if one.unchanged),
    )


def _sound(
    evaluated: Sequence[Evaluated],
) -> tuple[list[EvaluatedArtifact], tuple[NotCompeting, ...]]:
    """The artifacts that are their network, and why the others are not.

    A file that quantization broke does not compete and is removed: it ends no build while
    another is sound.
    """
    sound = [one for one in evaluated if isinstance(one, EvaluatedArtifact)]
    broken = [one for one in evaluated if isinstance(one, BrokenArtifact)]
    if not sound:
        raise broken[0].failure
    removed: dict[str, list[str]] = {}
    for one in broken:
        removed.setdefault(str(one.failure), []).append(one.artifact.name)
        for file in one.artifact.files:
            file.unlink()
    failures = {str(one.failure): one.failure for one in broken}
    return sound, tuple(
        NotCompeting(artifacts=tuple(names), fault=_fault(failures[reason]))
        for reason, names in removed.items()
    )


def _fault(failure: ArtifactError) -> ParityFault:
    """By what a file is not its network, or what its runtime printed."""
    fault = failure.fault if isinstance(failure, ParityError) else None
    if isinstance(fault, ParityFault):
        return fault
    return ParityFault(measure="runtime", detail=str(failure))


def check_parity(
    artifact: Artifact,
    outputs: Outputs,
    expected: Outputs,
    kind: TaskKind | TaskSpec = DEFAULT_TASK,
    *,
    decided: bool = False,
) -> Parity:
    """Distance of `outputs` (n, ...) from the student's; raises `ParityError` beyond bounds."""
    fault: ParityFault | None = ParityFault(
        measure="shape", shapes=(outputs.shape[1:], expected.shape[1:])
    )
    if outputs.shape == expected.shape:
        precision = artifact.precision or "fp32"
        found = compare(expected, outputs, precision, kind, decided=decided)
        fault = found.fault
    if fault is not None:
        raise ParityError(f"{fault_words(artifact.name, fault)}.", fault)
    return found.parity
