"""Prove each artefact: its outputs against the network's, its accuracy, its speed; then choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgekit.bench.infer import infer
from edgekit.bench.statistics import speedup
from edgekit.bench.verdict import choose
from edgekit.data.evaluate import predict
from edgekit.data.metrics import DECIDE, agreement, explained
from edgekit.errors import ParityError
from edgekit.job import Job, Samples
from edgekit.source.program import Program
from edgekit.task import relative
from edgekit.types import (
    Artifact,
    Candidate,
    Evaluation,
    Measurement,
    Parity,
    TaskKind,
)

Outputs = npt.NDArray[np.float32]

# Further from the network it was exported from than this, an artefact is broken, not inexact:
# float kernels differ in rounding only; int8 moves outputs, but seldom decisions.
FP32_RELATIVE_ERROR = 1e-3
FP16_RELATIVE_ERROR = 2e-2
INT8_AGREEMENT = 0.75
_FLOAT = {"fp32": FP32_RELATIVE_ERROR, "fp16": FP16_RELATIVE_ERROR}
INT8_EXPLAINED = 0.75
"""The same where outputs are values and decide nothing: share of their variance."""


_WHAT: dict[TaskKind, str] = {
    "classification": "the decisions",
    "segmentation": "the pixels",
    "token-classification": "the tokens",
    "language-modelling": "the tokens",
}


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found out: the unpruned network's accuracy and speed, and every candidate."""

    reference: Evaluation
    unpruned: tuple[Measurement, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()

    @property
    def chosen(self) -> Candidate:
        return next(candidate for candidate in self.candidates if candidate.chosen)


def prove(
    job: Job,
    student: Program,
    reference: Evaluation,
    artifacts: Sequence[Artifact],
    baselines: Sequence[Artifact],
    samples: Samples,
) -> Proof:
    """Evaluate and time every artefact beside the unpruned network, and choose one.

    Raises `ParityError` naming the artefact whose outputs are not the student's.
    """
    expected = predict(student, samples.test)
    inputs, targets = samples.test.arrays()
    outputs: dict[str, Outputs] = {}
    with job.progress.step("Evaluate the artefacts") as step:
        for number, artifact in enumerate(artifacts):
            step.update(number, len(artifacts), artifact.name)
            outputs[artifact.name] = infer(artifact, inputs, job.device)
    preferred = None if job.proven else artifacts[0].runtime
    parities, broken = _parities(artifacts, outputs, expected, job.task.kind)
    artifacts = [each for each in artifacts if each.name in parities]
    measured = job.measure([*baselines, *artifacts], "Measure on the runtime")
    unpruned = {b.runtime: measured[b.name] for b in baselines}
    as_share = relative(job.project.task, reference)
    candidates = []
    for artifact in artifacts:
        assert job.task.metric is not None
        evaluation = job.task.metric(outputs[artifact.name], targets)
        measurement = measured[artifact.name]
        candidates.append(
            Candidate(
                artifact=artifact,
                parity=parities[artifact.name],
                evaluation=evaluation,
                measurement=measurement,
                speedup=speedup(
                    unpruned[artifact.runtime], measurement, own_threads=True
                ),
                accuracy_drop=reference.drop(evaluation, relative=as_share),
                relative_drop=as_share,
            )
        )
    return Proof(
        reference=reference,
        unpruned=tuple(measured[b.name] for b in baselines),
        candidates=choose(candidates, job.project.budget, preferred),
        notes=tuple(broken),
    )


def _parities(
    artifacts: Sequence[Artifact],
    outputs: Mapping[str, Outputs],
    expected: Outputs,
    kind: TaskKind,
) -> tuple[dict[str, Parity], list[str]]:
    """Each sound artefact's parity, by name, and why quantised ones are not sound.

    A file that quantisation broke does not compete and is removed: it ends no build while
    another is sound. A file in float that differs always does.
    """
    found: dict[str, Parity] = {}
    broken: list[ParityError] = []
    for artifact in artifacts:
        try:
            found[artifact.name] = check_parity(
                artifact, outputs[artifact.name], expected, kind
            )
        except ParityError as error:
            if artifact.quantised is None:
                raise
            broken.append(error)
    if not found:
        raise broken[0]
    for artifact in artifacts:
        if artifact.name not in found:
            for file in artifact.files:
                file.unlink()
    return found, [f"does not compete: {error}" for error in broken]


def check_parity(
    artifact: Artifact,
    outputs: Outputs,
    expected: Outputs,
    kind: TaskKind = "classification",
) -> Parity:
    """How far `outputs` (n, ...) are from the student's; raises `ParityError` beyond bounds.

    Decisions are compared where the task has any, of samples, pixels or tokens; else how much of
    the variance of the network's outputs is there.
    """
    if outputs.shape != expected.shape:
        raise ParityError(
            f"{artifact.name} returns {outputs.shape[1:]} where the network returns "
            f"{expected.shape[1:]}."
        )
    finite = bool(np.isfinite(outputs).all())
    error = float(np.abs(outputs - expected).max() / max(np.abs(expected).max(), 1e-12))
    allowed = _FLOAT.get(artifact.precision or "fp32", float("inf"))
    if not finite or error > allowed:
        raise ParityError(
            f"{artifact.name} differs from the network by {error:.2g} of its largest output "
            f"on {len(outputs)} samples, {allowed:g} allowed. The file is not "
            "the network: leave its runtime out with [recipe.export] runtimes."
        )
    found = Parity(relative_error=error, agreement=None, samples=len(outputs))
    if kind in DECIDE:
        same = agreement(kind, outputs, expected).value
        found = replace(found, agreement=same)
        short = f"decides as the network does on {same:.1%} of {_WHAT[kind]}"
        broken, least = same < INT8_AGREEMENT, INT8_AGREEMENT
    else:
        common = explained(outputs, expected)
        found = replace(found, explained=common)
        short = f"has {common:.1%} of the variance of the network's outputs"
        broken, least = common < INT8_EXPLAINED, INT8_EXPLAINED
    if broken:
        raise ParityError(
            f"{artifact.name} {short} on {len(outputs)} samples, {least:.0%} at least. "
            "Quantisation broke it: leave it out with [recipe.export] precisions = "
            '["fp32"].'
        )
    return found
