"""Export the possible variants of a network; the others are left out, with the layer, operator
and fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.suspect import suspect
from edgekit.export.workers import Failure, Variant
from edgekit.pipeline.runners import ExportRunner
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.report.export_words import reasons
from edgekit.report.note_words import sentence
from edgekit.types import Artifact
from edgekit.types.export_notes import Incompatibility, LeftOut


@dataclass(frozen=True, kw_only=True)
class Exports:
    """The artifacts, and the reasons for those left out."""

    artifacts: list[Artifact]
    notes: tuple[LeftOut, ...] = ()


def export(  # noqa: PLR0913
    exporter: ExportRunner,
    network: Program,
    requested: Sequence[Variant],
    folder: Path,
    *,
    title: str,
    calibration: npt.NDArray[np.float32] | None = None,
    labels: tuple[str, ...] = (),
    validation: Validation | None = None,
    required: bool = True,
) -> Exports:
    """`network` in every form of `wanted` that can be made; the rest is left out at once.

    Raises `ArtifactError`, naming each reason, where nothing can be made and it is `required`.
    """
    failures: list[Failure] = []
    artifacts = exporter.export(
        network,
        requested,
        folder,
        title=title,
        calibration=calibration,
        labels=labels,
        validation=validation,
        on_failure=failures.append,
    )
    notes = _left_out(network, failures, folder, exporter.progress)
    if notes and not artifacts and required:
        raise ArtifactError(
            f"Nothing of {exporter.target} can be exported. {reasons(notes)}"
        )
    for note in notes:
        exporter.progress.say(sentence(note))
    return Exports(artifacts=artifacts, notes=notes)


def _left_out(
    network: Program, failures: Sequence[Failure], folder: Path, progress: Progress
) -> tuple[LeftOut, ...]:
    """Each runtime or artifact once; a conversion that failed is looked into once."""
    known: dict[int, Incompatibility] = {}
    found: dict[str, LeftOut] = {}
    for one in failures:
        incompatibility = known.get(id(one.error)) or _incompatibility(
            network, one, folder, progress
        )
        known[id(one.error)] = incompatibility
        name = one.order.runtime if one.converting else one.order.name
        found[name] = LeftOut(
            name=name,
            runtime=one.order.runtime,
            precision=None if one.converting else one.order.precision,
            refusals=(incompatibility,),
        )
    return tuple(found.values())


def _incompatibility(
    network: Program, failure: Failure, folder: Path, progress: Progress
) -> Incompatibility:
    runtime, said = failure.order.runtime, str(failure.error)
    if not failure.converting:
        return Incompatibility(cause="export_failed", by=runtime, detail=said)
    with progress.step(f"Look for what {runtime} cannot take"):
        found = suspect(network, failure, folder)
    if found is None:
        return Incompatibility(
            cause="conversion_failed", by=runtime, detail=said, fix="exclude_runtime"
        )
    return Incompatibility(
        cause="operator_not_exportable",
        by=runtime,
        operator=found.operator,
        layer=found.layer or None,
        detail=found.why,
        fix="rewrite_layer",
    )
