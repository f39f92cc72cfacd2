"""Trials of a search beside each other on the machines of a cluster.

Each training of a trial is a build of the fleet. The study is used in this one process alone: a
training that is lost on a machine is repeated before its trial ends in the study.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.api import worker_builds
from edgekit.api.fleet import check_amounts, farm_of
from edgekit.api.search_builds import NOT_THE_TRIAL, SearchBuilds, point_of
from edgekit.errors import EdgeKitError, NoWorker
from edgekit.package import bundle
from edgekit.pipeline.fleet import cluster, transport
from edgekit.pipeline.fleet.cluster import ClusterOptions
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import LOCAL, FleetTask, Room, TaskState, Watch
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials.ladder import Ladder, Rung
from edgekit.store import Store
from edgekit.types.search import SearchPoint

_FARM = "devices of a farm"


@dataclass(frozen=True, kw_only=True)
class SearchCluster:
    """Where trials run, and how many at once."""

    options: ClusterOptions
    store: Store
    """It takes projects to the workers, and brings bundles back."""
    lender: Lender
    measures: str
    """Where latencies are measured, which makes searches different."""
    jobs: int | None = None
    """Trials at once at most; `None` is as many as there are free processors for."""
    cpus: float = 1.0
    gpus: float = 0.0

    @classmethod
    def of(  # noqa: PLR0913
        cls,
        request: BuildRequest,
        address: str | None,
        devices: str | Path | None,
        *,
        jobs: int | None,
        cpus: float,
        gpus: float,
        retries: int,
    ) -> SearchCluster:
        """The cluster at an address for trials of a build.

        Raises `UsageError` without a shared cache where the cluster has several machines,
        `FarmError` for the file of devices.
        """
        check_amounts(cpus, gpus)
        store = Store()
        variables = worker_builds.environment(store, shared=address is not None)
        farm = farm_of(devices, [request.project.targets_folder])
        return cls(
            options=ClusterOptions(
                address=address, retries=retries, environment=variables
            ),
            store=store,
            lender=Lender(farm),
            measures=LOCAL if farm is None else _FARM,
            jobs=jobs,
            cpus=cpus,
            gpus=gpus,
        )


def run(
    builds: SearchBuilds,
    ladder: Ladder,
    there: SearchCluster,
    *,
    written: Callable[[], object],
    watch: Watch,
) -> None:
    """Run the trials of a ladder to their ends; `written` is called after each.

    An error that other settings would have met too ends the search, and leaves the trials under
    way to the next one.
    """
    project, store = builds.request().project, there.store
    without = [builds.out.resolve(), project.root / "build"]
    entry = transport.keep_project(project, store, without=without)
    cluster.run(
        (),
        worker_builds.build,
        there.lender,
        options=there.options,
        watch=lambda states: watch([one for one in states if not one.over] or states),
        feed=_Feed(builds, ladder, there, entry, written),
    )


class _Feed:
    """The trainings that follow those that have ended, and new trials where there is room."""

    def __init__(
        self,
        builds: SearchBuilds,
        ladder: Ladder,
        there: SearchCluster,
        project: str,
        written: Callable[[], object],
    ) -> None:
        self._builds, self._ladder, self._there = builds, ladder, there
        self._project, self._written = project, written
        self._rungs: dict[str, Rung] = {}

    def __call__(self, ended: Sequence[TaskState], room: Room) -> list[FleetTask]:
        before = self._ladder.under_way
        found = [self._following(state) for state in ended]
        following = [one for one in found if one is not None]
        if self._ladder.under_way < before:
            self._written()
        tasks = [self._task(rung) for rung in following]
        begun = self._ladder.ask(self._room(room, len(following)))
        return [*tasks, *map(self._task, begun)]

    def _room(self, room: Room, taken: int) -> int:
        """The number of trials that may begin now; `taken` others take their room first."""
        there, target = self._there, self._builds.plain.target
        needs = {"CPU": there.cpus, "GPU": there.gpus}
        found = room({name: amount for name, amount in needs.items() if amount > 0})
        found -= taken
        if there.jobs is not None:
            found = min(found, there.jobs - len(self._rungs))
        boards = there.lender.count(target.name)
        return found if boards is None else min(found, boards - len(self._rungs))

    def _task(self, rung: Rung) -> FleetTask:
        request, out = self._builds.rung(rung.asked, rung.epochs)
        bundle.check_place(out.resolve())
        name = f"trial-{rung.asked.number}-epochs-{rung.epochs}"
        self._rungs[name] = rung
        return FleetTask(
            name=name,
            request=request,
            out=out,
            project=self._project,
            cpus=self._there.cpus,
            gpus=self._there.gpus,
        )

    def _following(self, state: TaskState) -> Rung | None:
        rung = self._rungs.pop(state.task.name)
        try:
            point, trained = self._point(state, rung)
        except (*NOT_THE_TRIAL, NoWorker):
            raise
        except EdgeKitError as error:
            if not state.attempts:  # it never began
                raise
            self._there.lender.count(self._builds.plain.target.name)  # is any left?
            self._ladder.fail(rung.asked, str(error))
            return None
        return self._ladder.tell(rung, point, trained=trained)

    def _point(self, state: TaskState, rung: Rung) -> tuple[SearchPoint, bool]:
        """The network of a training that ended, its bundle in its folder; raises its error."""
        worker_builds.delivered(state, self._there.store)
        report = worker_builds.report_of(state)
        if report is None:
            failure = state.done.failure if state.done else None
            raise failure.error() if failure else NoWorker(f"{state.task.name} is lost")
        machine = state.attempts[-1].machine.partition("/")[0]
        elsewhere = machine if machine != platform.node() else ""
        point = point_of(report, rung.asked, rung.epochs, elsewhere)
        return point, bool(report.epochs)
