"""A search over settings that no plan decides, each trial a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.api import cluster_search
from edgekit.api.cluster_search import SearchCluster
from edgekit.api.environment import attached_environment, folder_at
from edgekit.api.fleet import build_request
from edgekit.api.search_builds import (
    NOT_THE_TRIAL,
    SearchBuilds,
    point_of,
    refuse_failures,
)
from edgekit.errors import BudgetMissed, EdgeKitError, UsageError
from edgekit.pipeline.build import build as run_build
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.fleet.records import LOCAL, EngineName, Watch, unwatched
from edgekit.pipeline.loading import Shared
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials import identity
from edgekit.pipeline.trials.ladder import Ladder, Rung
from edgekit.pipeline.trials.space import parse
from edgekit.pipeline.trials.study import opened
from edgekit.progress import Logged, Progress
from edgekit.report.search_page import write_report
from edgekit.store import holders
from edgekit.types import Report
from edgekit.types.search import SearchReport

_ENGINES = (LOCAL, "ray")


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
    engine: EngineName = "local",
    address: str | None = None,
    devices: str | Path | None = None,
    jobs: int | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    retries: int = 3,
    allow_pickle: bool = False,
    progress: Progress | None = None,
    watch: Watch = unwatched,
) -> SearchReport:
    """Build the project in `folder` with other settings, until there are `trials` of them.

    `vary` are settings with ranges or choices: `recipe.distill.learning_rate=0.001..0.1`,
    `model.input.shape=[3,32,32]|[3,48,48]`. A trial trains for a fraction of its epochs first, and
    goes on with twice as many, up to `rungs` times, while it is in the better half of the trials so
    far, by the metric on validation samples and the measured latency. Trials lie in `trials.db` in
    `out`, their stages in the cache: a search that was killed goes on where it was, and the trials
    under way are run again. `settings` hold for every trial.

    The engine `local` runs one trial after another in this process. `ray` runs them beside each
    other on the cluster of Ray at `address`, as `build_many` does, with `cpus` and `gpus` each: as
    many as it has free processors for, and `jobs` at most. A training whose worker is lost is
    repeated up to `retries` times. With a `devices.toml` each trial measures on a device that no
    other one has meanwhile.

    Returns, and writes to `search.json` and `search.html` in `out`, every network and the frontier;
    their bundles are in `trial-N/epochs-E`. A trial that fails is reported. Raises `UsageError` for
    settings that cannot be varied and where every trial fails, `OutputError` where `out` has
    another search, `RuntimeMissing` without Optuna or Ray, `NoWorker` where no machine of the
    cluster can run a trial, and the errors of `edgekit.build_request`.
    """
    for name, count in (("trials", trials), ("rungs", rungs), ("jobs", jobs)):
        if count is not None and count < 1:
            raise UsageError(f"{name} = {count}: a search has at least one.")
    _check(engine, device, address, devices, jobs)
    shown = progress or Logged()
    plain = build_request(folder, target=target, allow_pickle=allow_pickle)
    plain = replace(plain, lock_folder=None)
    parameters, place = parse(vary), Path(out)
    builds = SearchBuilds(plain, tuple(settings), parameters, rungs, place)
    first = builds.request()
    builds.check()
    there = None
    if engine != LOCAL:
        there = SearchCluster.of(
            first, address, devices, jobs=jobs, cpus=cpus, gpus=gpus, retries=retries
        )
    folder_at(place)
    measures = device if there is None else there.measures
    of = identity.of(first, settings, parameters, rungs, measures)
    with (
        holders.alone(place / ".lock", shown.say, what="runs this search"),
        opened(place, parameters, of, first.project.recipe.seed) as study,
    ):
        if (count := study.interrupted) == 1:
            shown.say("A trial was interrupted: it is run again")
        elif count:
            shown.say(f"{count} trials were interrupted: they are run again")
        ladder = Ladder(study, trials=trials, steps=builds.steps, progress=shown)

        def write() -> SearchReport:
            report = builds.report(study)
            write_report(report, place)
            return report

        if there is None:
            while begun := ladder.ask(1):
                _climb(begun[0], builds, ladder, device, shown)
                write()
        else:
            cluster_search.run(builds, ladder, there, written=write, watch=watch)
        refuse_failures(study)
        return write()


def _check(
    engine: str,
    device: str,
    address: str | None,
    devices: str | Path | None,
    jobs: int | None,
) -> None:
    """Raise `UsageError` for an engine that does not search, and for what it does not take."""
    if engine not in _ENGINES:
        raise UsageError(
            f"No engine '{engine}' for a search. Known: {', '.join(_ENGINES)}."
        )
    if engine != LOCAL:
        if device != LOCAL:
            raise UsageError(
                f"The device {device} measures one trial at a time. List it, and others like it, "
                "in a devices.toml: trials on a cluster measure on devices of that file."
            )
        return
    given = {"address": address, "devices": devices, "jobs": jobs}
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"{name} = {value}: trials run one after another here. Add the engine ray."
            )


def _climb(
    rung: Rung, builds: SearchBuilds, ladder: Ladder, device: str, progress: Progress
) -> None:
    """Run a trial to its end in this process; an error of its own ends it alone."""
    following: Rung | None = rung
    shared = Shared()
    try:
        request, _ = builds.rung(rung.asked, rung.epochs)
        with attached_environment(request, device=device, progress=progress) as env:
            while following is not None:
                rung = following
                request, place = builds.rung(rung.asked, rung.epochs)
                report = _built(request, env, place, shared)
                point = point_of(report, rung.asked, rung.epochs)
                following = ladder.tell(rung, point, trained=bool(report.epochs))
    except NOT_THE_TRIAL:
        raise
    except EdgeKitError as error:
        if following is None:  # it had ended before
            raise
        ladder.fail(rung.asked, str(error))


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
