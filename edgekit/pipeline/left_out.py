"""Export the possible variants of a network; the others are left out, with the layer, operator
and fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from edgekit.errors import ArtifactError
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.queues import Failure
from edgekit.export.suspect import Suspect, suspect
from edgekit.export.workers import Variant, offered
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.runners import ExportRunner
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.report.export_words import reasons
from edgekit.report.note_words import sentence
from edgekit.store import Json, Stage, kept
from edgekit.types import Artifact, Precision, RuntimeName
from edgekit.types.export_notes import (
    Incompatibility,
    LeftOut,
    PlannedRuntime,
    TailLeftOut,
)

Form: TypeAlias = tuple[RuntimeName, Precision]
_T = TypeVar("_T")
_SUSPECTS = Json[tuple[Suspect, ...]](tuple[Suspect, ...])


class NotExportable(ArtifactError):
    """None of the forms asked for can be exported; `notes` has the reasons."""

    def __init__(self, target: str, notes: Sequence[LeftOut]) -> None:
        super().__init__(f"Nothing of {target} can be exported. {reasons(notes)}")
        self.notes = tuple(notes)


@dataclass(frozen=True, kw_only=True)
class Exports:
    """The artifacts, and the reasons for those left out."""

    artifacts: list[Artifact]
    notes: tuple[LeftOut | TailLeftOut, ...] = ()


def export(  # noqa: PLR0913
    exporter: ExportRunner,
    network: Program,
    requested: Sequence[Variant],
    folder: Path,
    *,
    title: str,
    calibration: Feeds | None = None,
    labels: tuple[str, ...] = (),
    validation: Validation | None = None,
    required: bool = True,
) -> Exports:
    """`network` in every form of `requested` that can be made; the rest is left out at once.

    Raises `NotExportable`, naming each reason, where nothing can be made and it is `required`.
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
    notes = _left_out(network, failures, folder, exporter)
    if notes and not artifacts and required:
        raise NotExportable(exporter.target, notes)
    for note in notes:
        exporter.progress.say(sentence(note))
    return Exports(artifacts=artifacts, notes=notes)


def planned_forms(
    runtimes: Sequence[RuntimeName],
    precisions: Sequence[Precision],
    refused: frozenset[Form] = frozenset(),
) -> list[Form]:
    """Forms to plan for, the preferred one first: those that a runtime has and a device takes.

    A runtime in the preferred precision is before the preferred runtime in another one. Where
    there are none, the first runtime in fp32.
    """
    forms: list[Form] = [
        (runtime, precision)
        for precision in precisions
        for runtime in runtimes
        if offered(runtime, precision) and (runtime, precision) not in refused
    ]
    return forms or [(runtimes[0], "fp32")]


def in_first_form(
    exporter: ExportRunner, forms: Sequence[Form], attempt: Callable[[Form], _T]
) -> tuple[_T, tuple[LeftOut | PlannedRuntime, ...]]:
    """The result of `attempt` in the first of `forms` whose exports can all be made.

    The notes name the forms before it, and the runtime where it is not that of the first form.
    Raises `NotExportable`, naming each reason, where no form is left.
    """
    notes: list[LeftOut] = []
    for form in forms:
        try:
            result = attempt(form)
        except NotExportable as error:
            for note in error.notes:
                exporter.progress.say(sentence(note))
            notes += error.notes
        else:
            return result, (*notes, *planned_for(forms[0][0], form[0]))
    raise NotExportable(exporter.target, notes)


def planned_for(first: RuntimeName, used: RuntimeName) -> tuple[PlannedRuntime, ...]:
    """The note of the runtime that the plan is for, where it is another than the first."""
    return () if first == used else (PlannedRuntime(runtime=used, instead_of=first),)


def _left_out(
    network: Program, failures: Sequence[Failure], folder: Path, exporter: ExportRunner
) -> tuple[LeftOut, ...]:
    """Each runtime or artifact once; a conversion that failed is looked into once."""
    known: dict[str, Incompatibility] = {}
    found: dict[str, LeftOut] = {}
    for one in failures:
        fault = str(one.error)
        incompatibility = known.get(fault) or _incompatibility(
            network, one, folder, exporter
        )
        known[fault] = incompatibility
        name = one.request.runtime if one.converting else one.request.name
        found[name] = LeftOut(
            name=name,
            runtime=one.request.runtime,
            precision=None if one.converting else one.request.precision,
            refusals=(incompatibility,),
        )
    return tuple(found.values())


def _incompatibility(
    network: Program, failure: Failure, folder: Path, exporter: ExportRunner
) -> Incompatibility:
    runtime, said = failure.request.runtime, str(failure.error)
    if not failure.converting:
        return Incompatibility(cause="export_failed", by=runtime, detail=said)
    found = _suspects(network, failure, folder, exporter)
    if not found:
        return Incompatibility(
            cause="conversion_failed", by=runtime, detail=said, fix="exclude_runtime"
        )
    return Incompatibility(
        cause="operator_not_exportable",
        by=runtime,
        operator=found[0].operator,
        layer=found[0].layer or None,
        detail=found[0].why,
        fix="rewrite_layer",
    )


def _suspects(
    network: Program, failure: Failure, folder: Path, exporter: ExportRunner
) -> tuple[Suspect, ...]:
    """The operator at fault, where one is; kept, because each is tried in a process."""
    runtime = failure.request.runtime
    title = f"Look for what {runtime} cannot take"
    stage = Stage(
        kind="failed-operators",
        title=title,
        inputs={
            "network": stage_inputs.of_network(network),
            "runtime": runtime,
            "failure": str(failure.error),
            "versions": stage_inputs.libraries([runtime]),
        },
        record=_SUSPECTS,
    )

    def make() -> tuple[Suspect, ...]:
        with exporter.progress.step(title):
            found = suspect(network, failure, folder)
        return () if found is None else (found,)

    return kept(exporter.store, stage, make, exporter.progress)
