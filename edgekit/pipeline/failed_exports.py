"""Exports that failed, kept with their reasons: with the same inputs they would fail again."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import ArtifactError
from edgekit.export.produce import ExportRequest
from edgekit.export.queues import Failure
from edgekit.progress import Progress
from edgekit.store import Json, Stage, Store, find, keep
from edgekit.types import Artifact


@dataclass(frozen=True, kw_only=True)
class FailedExport:
    """The failure of one file."""

    message: str
    printed: tuple[str, ...]
    """Output of the libraries, at its end."""
    converting: bool


_RECORD = Json[FailedExport](FailedExport)


def keep_failure(
    store: Store | None, export: Stage[Artifact], failure: Failure
) -> None:
    """Keep a failure, unless another try may succeed."""
    if store is None or failure.passing:
        return
    failed = FailedExport(
        message=str(failure.error),
        printed=tuple(getattr(failure.error, "__notes__", ())),
        converting=failure.converting,
    )
    keep(store, _stage(export), failed)


def known_failure(
    store: Store | None,
    export: Stage[Artifact],
    request: ExportRequest,
    progress: Progress,
) -> Failure | None:
    """The kept failure of a file; `None` where it did not fail."""
    found = None if store is None else find(store, _stage(export), progress)
    if found is None:
        return None
    error = ArtifactError(found.message)
    for note in found.printed:
        error.add_note(note)
    return Failure(request=request, error=error, converting=found.converting)


def _stage(export: Stage[Artifact]) -> Stage[FailedExport]:
    return Stage(
        kind="failed-exports",
        title=export.title,
        inputs=export.inputs,
        record=_RECORD,
        words=lambda _: "failed before with the same inputs, not tried again",
    )
