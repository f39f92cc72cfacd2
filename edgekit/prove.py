"""Prove each artefact: its outputs against the network's, its accuracy, its speed; then choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.bench.infer import infer
from edgekit.bench.statistics import speedup
from edgekit.bench.verdict import choose
from edgekit.data.evaluate import predict
from edgekit.data.metrics import accuracy
from edgekit.errors import ParityError
from edgekit.job import Job, Samples
from edgekit.source.program import Program
from edgekit.types import Artifact, Candidate, Evaluation, Measurement, Parity

Outputs = npt.NDArray[np.float32]

# Further from the network it was exported from than this, an artefact is broken, not inexact:
# float kernels differ in rounding only; int8 moves outputs, but seldom decisions.
FP32_RELATIVE_ERROR = 1e-3
INT8_AGREEMENT = 0.75


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found out: the unpruned network's accuracy and speed, and every candidate."""

    reference: Evaluation
    unpruned: tuple[Measurement, ...]
    candidates: tuple[Candidate, ...]

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
    parities = {
        artifact.name: check_parity(artifact, outputs[artifact.name], expected)
        for artifact in artifacts
    }
    measured = job.measure([*baselines, *artifacts], "Measure on the runtime")
    unpruned = {b.runtime: measured[b.name] for b in baselines}
    candidates = []
    for artifact in artifacts:
        evaluation = accuracy(outputs[artifact.name], targets)
        measurement = measured[artifact.name]
        candidates.append(
            Candidate(
                artifact=artifact,
                parity=parities[artifact.name],
                evaluation=evaluation,
                measurement=measurement,
                speedup=speedup(unpruned[artifact.runtime], measurement),
                accuracy_drop=reference.value - evaluation.value,
            )
        )
    preferred = None if job.proven else artifacts[0].runtime
    return Proof(
        reference=reference,
        unpruned=tuple(measured[b.name] for b in baselines),
        candidates=choose(candidates, job.project.budget, preferred),
    )


def check_parity(artifact: Artifact, outputs: Outputs, expected: Outputs) -> Parity:
    """How far `outputs` (n, classes) are from the student's; raises `ParityError` beyond bounds."""
    if outputs.shape != expected.shape:
        raise ParityError(
            f"{artifact.name} returns {outputs.shape[1:]} where the network returns "
            f"{expected.shape[1:]}."
        )
    finite = bool(np.isfinite(outputs).all())
    error = float(np.abs(outputs - expected).max() / max(np.abs(expected).max(), 1e-12))
    agreement = float((outputs.argmax(1) == expected.argmax(1)).mean())
    if not finite or (artifact.precision != "int8" and error > FP32_RELATIVE_ERROR):
        raise ParityError(
            f"{artifact.name} differs from the network by {error:.2g} of its largest output "
            f"on {len(outputs)} samples, {FP32_RELATIVE_ERROR:g} allowed. The file is not "
            "the network: leave its runtime out with [recipe.export] runtimes."
        )
    if agreement < INT8_AGREEMENT:
        raise ParityError(
            f"{artifact.name} decides as the network does on {agreement:.1%} of "
            f"{len(outputs)} samples, {INT8_AGREEMENT:.0%} at least. Quantisation broke it: "
            'leave it out with [recipe.export] precisions = ["fp32"].'
        )
    return Parity(relative_error=error, agreement=agreement, samples=len(outputs))
