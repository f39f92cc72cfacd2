"""A search over settings that no plan decides, each trial a build."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgekit.api.environment import attached_environment, folder_at
from edgekit.api.fleet import build_request
from edgekit.config.project import SETTINGS
from edgekit.errors import (
    AgentKilled,
    BudgetMissed,
    DeviceBusy,
    DeviceFrozen,
    DeviceUnreachable,
    DiskFull,
    EdgeKitError,
    HostKeyError,
    LinkLost,
    MeasurementError,
    OutputError,
    ProjectError,
    RuntimeMissing,
    UsageError,
)
from edgekit.pipeline.build import build as run_build
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Shared
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials import halving, identity
from edgekit.pipeline.trials.space import Parameter, parse
from edgekit.pipeline.trials.study import Asked, Study, opened
from edgekit.progress import Logged, Progress
from edgekit.report.search_page import write_report
from edgekit.store import holders
from edgekit.types import Candidate, Report
from edgekit.types.evaluation import Score
from edgekit.types.search import SearchPoint, SearchReport

_EPOCHS = "recipe.distill.epochs"
_ALL_FAILED = 3
"""Trials in a row from the first one on whose errors end the search."""
_NOT_THE_TRIAL = (
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


def search(  # noqa: PLR0913
    folder: str | Path = ".",
    *,
    target: str,
    vary: Sequence[str],
    trials: int = 12,
    out: str | Path = "build/search",
    rungs: int = 3,
    settings: Sequence[str] = (),
    device: str = "local",
    allow_pickle: bool = False,
    progress: Progress | None = None,
) -> SearchReport:
    """Build the project in `folder` with other settings, until there are `trials` of them.

    `vary` are settings with ranges or choices: `recipe.distill.learning_rate=0.001..0.1`,
    `model.input.shape=[3,32,32]|[3,48,48]`. A trial trains for a fraction of its epochs first, and
    goes on with twice as many, up to `rungs` times, while it is in the better half of the trials so
    far, by the metric on validation samples and the measured latency. Trials lie in `trials.db` in
    `out`, their stages in the cache: a search that was killed goes on where it was, and the trial
    at hand is run again. `settings` hold for every trial.

    Returns, and writes to `search.json` and `search.html` in `out`, every network and the frontier;
    their bundles are in `trial-N/epochs-E`. A trial that fails is reported. Raises `UsageError` for
    settings that cannot be varied and where every trial fails, `OutputError` where `out` has
    another search, `RuntimeMissing` without Optuna, and the errors of `edgekit.build_request`.
    """
    for name, count in (("trials", trials), ("rungs", rungs)):
        if count < 1:
            raise UsageError(f"{name} = {count}: a search has at least one.")
    shown = progress or Logged()
    plain = build_request(folder, target=target, allow_pickle=allow_pickle)
    plain = replace(plain, lock_folder=None)
    parameters, place = parse(vary), Path(out)
    run = _Search(plain, tuple(settings), parameters, rungs, device, place, shown)
    first = run.request()
    run.check()
    folder_at(place)
    of = identity.of(first, settings, parameters, rungs, device)
    with (
        holders.alone(place / ".lock", shown.say, what="runs this search"),
        opened(place, parameters, of, first.project.recipe.seed) as study,
    ):
        if study.interrupted:
            shown.say("A trial was interrupted: it is run again")
        while (number := study.ended) < trials:
            asked = study.ask()
            if asked is None:
                shown.say(f"{number} trials: there are no other settings")
                break
            shown.say(f"Trial {number + 1} of {trials}: {', '.join(asked.settings)}")
            run.trial(asked, study)
            write_report(run.report(study), place)
            _refuse_failures(study, _ALL_FAILED)
        _refuse_failures(study)
        report = run.report(study)
        write_report(report, place)
        return report


@dataclass(frozen=True)
class _Search:
    """Trials as builds."""

    plain: BuildRequest
    """Without settings."""
    settings: tuple[str, ...]
    parameters: Sequence[Parameter]
    rungs: int
    device: str
    out: Path
    progress: Progress

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

    def trial(self, asked: Asked, study: Study) -> None:
        """Build a trial rung by rung, and keep its points; an error of its own ends it alone."""
        points: list[SearchPoint] = []
        try:
            request = self.request(*asked.settings)
            epochs = request.project.recipe.distill.epochs
            with attached_environment(
                request, device=self.device, progress=self.progress
            ) as env:
                self._climb(
                    halving.rungs(epochs, self.rungs), env, asked, study, points
                )
        except _NOT_THE_TRIAL:
            raise
        except EdgeKitError as error:
            self.progress.say(f"The trial failed: {error}")
            study.fail(asked, str(error))
        else:
            study.finish(asked, points)

    def _climb(
        self,
        steps: Sequence[int],
        env: Environment,
        asked: Asked,
        study: Study,
        points: list[SearchPoint],
    ) -> None:
        """Train for more and more epochs, as long as the trial is among the better ones."""
        known, shared = study.points(), Shared()
        for number, epochs in enumerate(steps):
            place = self.out / f"trial-{asked.number}" / f"epochs-{epochs}"
            request = self.request(*asked.settings, f"{_EPOCHS}={epochs}")
            report = _built(request, env, place, shared)
            points.append(_point(report, asked, epochs))
            study.keep(asked, points)
            if not report.epochs:
                return  # nothing was trained, and nothing would be
            if not halving.goes_on(points[-1], halving.at_rung(known, number)):
                self.progress.say(f"Stopped after {epochs} of {steps[-1]} epochs")
                return

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


def _refuse_failures(study: Study, least: int = 1) -> None:
    """Raise `UsageError` where `least` trials or more failed, and none gave a network."""
    failed = study.failed()
    if len(failed) >= least and not study.points():
        raise UsageError(
            f"{len(failed)} trials failed, and none gave a network. The last one: "
            f"{failed[-1].error}"
        )


def _built(
    request: BuildRequest, env: Environment, place: Path, shared: Shared
) -> Report:
    """The report of a build; one over its budget has one, too."""
    try:
        return run_build(request, env, place, shared)
    except BudgetMissed as error:
        if isinstance(error.report, Report):
            return error.report
        raise


def _point(report: Report, asked: Asked, epochs: int) -> SearchPoint:
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
    return report.epochs[report.best_epoch].score(chosen.evaluation.metric)
