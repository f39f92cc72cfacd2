"""What of a network can be exported; the rest is left out, with the layer, operator and fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.suspect import suspect
from edgekit.export.workers import Failure, Wanted
from edgekit.pipeline.context import Job
from edgekit.program.layer_attribution import ITSELF
from edgekit.program.program import Program
from edgekit.types import Artifact


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One operator that a device or a format cannot take, in words."""

    why: str
    layer: str
    fix: str

    def __str__(self) -> str:
        return f"{self.why}; layer '{self.layer}' needs it. {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Exports:
    """What could be made, and what is to be said of the rest."""

    artifacts: list[Artifact]
    notes: tuple[str, ...] = ()


def export(  # noqa: PLR0913
    job: Job,
    network: Program,
    wanted: Sequence[Wanted],
    folder: Path,
    *,
    title: str,
    calibration: npt.NDArray[np.float32] | None = None,
    labels: tuple[str, ...] = (),
    validation: Validation | None = None,
) -> Exports:
    """`network` in every form of `wanted` that can be made; what cannot is said at once.

    Raises `ArtifactError`, naming each reason, where none can.
    """
    failures: list[Failure] = []
    artifacts = job.export(
        network,
        wanted,
        folder,
        title=title,
        calibration=calibration,
        labels=labels,
        validation=validation,
        on_failure=failures.append,
    )
    told = _told(job, network, failures, folder)
    if failures and not artifacts:
        reasons = " ".join(dict.fromkeys(told.values()))
        raise ArtifactError(f"Nothing of {job.target.name} can be exported. {reasons}")
    notes = tuple(f"{name} is left out: {why}" for name, why in told.items())
    for note in notes:
        job.progress.say(note)
    return Exports(artifacts=artifacts, notes=notes)


def _told(
    job: Job, network: Program, failures: Sequence[Failure], folder: Path
) -> dict[str, str]:
    """Why each runtime or artifact is left out; one conversion that failed is looked into once."""
    known: dict[int, str] = {}
    for one in failures:
        if id(one.error) not in known:
            known[id(one.error)] = (
                str(_refusal(job, network, one, folder))
                if one.converting
                else str(one.error)
            )
    return {_name(one): known[id(one.error)] for one in failures}


def _name(failure: Failure) -> str:
    order = failure.order
    return order.runtime if failure.converting else order.name


def _refusal(job: Job, network: Program, failure: Failure, folder: Path) -> Refusal:
    with job.progress.step(f"Look for what {failure.order.runtime} cannot take"):
        found = suspect(network, failure, folder)
    if found is None:
        return Refusal(
            why=str(failure.error).rstrip("."),
            layer=ITSELF,
            fix="Every operator alone is written: write it with other operators, or leave "
            f"{failure.order.runtime} out of [recipe.export] runtimes.",
        )
    return Refusal(
        why=f"{found.operator} cannot be written ({found.why.rstrip('.')})",
        layer=found.layer or ITSELF,
        fix="Write that layer with other operators.",
    )
