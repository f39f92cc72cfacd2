"""Trials of a search as builds, wherever they run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgekit.config.project import SETTINGS
from edgekit.errors import (
    AgentKilled,
    DeviceBusy,
    DeviceFrozen,
    DeviceUnreachable,
    DiskFull,
    HostKeyError,
    LinkLost,
    MeasurementError,
    OutputError,
    ProjectError,
    RuntimeMissing,
    UsageError,
)
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials import halving
from edgekit.pipeline.trials.space import Parameter
from edgekit.pipeline.trials.study import Asked, Study
from edgekit.types import Candidate, Report
from edgekit.types.evaluation import Score
from edgekit.types.search import SearchPoint, SearchReport

_EPOCHS = "recipe.distill.epochs"
NOT_THE_TRIAL = (
    OutputError,
    RuntimeMissing,
    DeviceUnreachable,
    HostKeyError,
    LinkLost,
    DeviceFrozen,
    DiskFull,
    AgentKilled,
    DeviceBusy,
)
"""Errors that other settings would have met too: they end the search, which can go on later."""


@dataclass(frozen=True)
class SearchBuilds:
    """Trials as builds."""

    plain: BuildRequest
    """Without settings."""
    settings: tuple[str, ...]
    parameters: Sequence[Parameter]
    rungs: int
    out: Path

    def request(self, *own: str) -> BuildRequest:
        """The build with a trial's settings, the last of those of one key."""
        by_key = {_key(one): one for one in (*self.settings, *own)}
        project = self.plain.project.with_settings([*by_key.values()])
        return replace(self.plain, project=project)

    def check(self) -> None:
        """Raise `UsageError` for a key or a value that `edgekit.toml` could not have either, and
        for a key that has a value besides."""
        given = set(map(_key, self.settings))
        for one in self.parameters:
            if one.key in given:
                raise UsageError(
                    f"{one.key} has a value and is varied. Leave out {SETTINGS} or --vary."
                )
            for setting in one.ends:
                try:
                    self.request(setting)
                except ProjectError as error:
                    reason = re.sub(rf"^{SETTINGS}:\d+: ", "", str(error))
                    raise UsageError(f"--vary {one.text}: {reason}") from error

    def steps(self, asked: Asked) -> tuple[int, ...]:
        """Epochs of the trainings of a trial; raises `ProjectError` for its settings together."""
        request = self.request(*asked.settings)
        return halving.rungs(request.project.recipe.distill.epochs, self.rungs)

    def rung(self, asked: Asked, epochs: int) -> tuple[BuildRequest, Path]:
        """The build of one training of a trial, and its folder."""
        place = self.out / f"trial-{asked.number}" / f"epochs-{epochs}"
        return self.request(*asked.settings, f"{_EPOCHS}={epochs}"), place

    def report(self, study: Study) -> SearchReport:
        """Everything that was found so far."""
        points = study.points()
        return SearchReport(
            project=self.request().project.name,
            target=self.plain.target.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            parameters=tuple(one.text for one in self.parameters),
            points=points,
            frontier=halving.frontier(points),
            failed=study.failed(),
        )


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()


def refuse_failures(study: Study) -> None:
    """Raise `UsageError` where trials failed, and none gave a network."""
    failed = study.failed()
    if failed and not study.points():
        raise UsageError(
            f"{len(failed)} trials failed, and none gave a network. The last one: "
            f"{failed[-1].error}"
        )


def point_of(
    report: Report, asked: Asked, epochs: int, machine: str = ""
) -> SearchPoint:
    """The network of a build as a point; `machine` is a cluster's that it was measured on.

    Raises `MeasurementError` where it lacks a figure that a search goes by.
    """
    chosen = report.chosen
    latency = chosen.measurement.latency.p50_ms if chosen else None
    if chosen is None or latency is None:
        raise MeasurementError("The chosen file has no latency: a search goes by it.")
    return SearchPoint(
        trial=asked.number,
        settings=asked.settings,
        epochs=epochs,
        artifact=chosen.artifact.name,
        validation=_validation(report, chosen),
        evaluation=chosen.evaluation,
        p50_ms=latency,
        measurement=chosen.measurement,
        machine=machine,
        speedup=chosen.speedup,
        verdict=report.verdict,
    )


def _validation(report: Report, chosen: Candidate) -> Score:
    """The metric on validation samples: of the file where it was judged, else of the network."""
    name = chosen.artifact.name
    for row in report.frontier:
        if row.final and row.artifact == name:
            return row.evaluation.score
    if not report.epochs:
        raise MeasurementError(
            f"{name} was not judged on validation samples, and nothing was trained: a search goes "
            "by them."
        )
    return report.epochs[report.kept_epoch].score(chosen.evaluation.metric)
