"""Many builds: one after another here, or beside each other on the machines of a cluster."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.api import worker_builds
from edgekit.api.bundles import Bundle
from edgekit.api.environment import attached_environment
from edgekit.bench.farm import Farm
from edgekit.config import farm as farm_file
from edgekit.config import lock_file, project
from edgekit.errors import EdgeKitError, OutputError, UsageError
from edgekit.export import warm
from edgekit.package import bundle
from edgekit.pipeline.build import build as run_build
from edgekit.pipeline.fleet import cluster, inline, slurm, transport
from edgekit.pipeline.fleet.cluster import ClusterOptions
from edgekit.pipeline.fleet.lending import Lender
from edgekit.pipeline.fleet.records import (
    ENGINES,
    Attempt,
    Done,
    EngineName,
    Failure,
    FleetTask,
    TaskState,
    Watch,
    unwatched,
)
from edgekit.pipeline.fleet.slurm import SlurmOptions
from edgekit.pipeline.loading import Shared
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Logged, Progress
from edgekit.store import Store
from edgekit.types import Report

_LOG = logging.getLogger("edgekit")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ =,+-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """One build of many: its bundle, or the error that it ended with."""

    name: str
    folder: Path
    report: Report | None = None
    """`None` where nothing was built."""
    error: EdgeKitError | None = None
    """A `BudgetMissed` has a bundle all the same."""
    attempts: tuple[Attempt, ...] = ()
    """The machines and devices that it ran on, lost ones among them."""
    stages_kept: int = 0
    """Stages of the last attempt that an earlier one, or another build, had finished."""
    stages_run: int = 0

    @property
    def bundle(self) -> Bundle:
        """The bundle; raises the error where nothing was built."""
        if self.report is None:
            raise self.error or OutputError(f"{self.folder} has no bundle.")
        return Bundle(folder=self.folder, report=self.report)


def build_request(
    folder: str | Path = ".",
    *,
    target: str,
    settings: Sequence[str] = (),
    locked: bool = False,
    allow_pickle: bool = False,
) -> BuildRequest:
    """The build of the project in `folder`, an `edgekit.toml` with its files, for a target.

    `settings` such as `recipe.seed=1` take the place of the file's values; `locked` repeats the
    decisions of `edgekit.lock`. The request is a record: it can be pickled. Raises `ProjectError`,
    `TargetError` and `LockError` for files and values that cannot be used.
    """
    one = project.load(Path(folder))
    request = BuildRequest.of(one, target, settings=settings, allow_pickle=allow_pickle)
    lock = lock_file.read(one.root, request.target.name) if locked else None
    return replace(request, locked=lock, lock_folder=one.root)


def build_many(  # noqa: PLR0913
    requests: Sequence[BuildRequest] | Mapping[str, BuildRequest],
    *,
    out: str | Path | Mapping[str, Path] = "build",
    engine: EngineName = "local",
    address: str | None = None,
    devices: str | Path | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    retries: int = 3,
    progress: Progress | None = None,
    watch: Watch = unwatched,
) -> list[BuildResult]:
    """Build every request into a folder of its name in `out`; one that fails ends no other.

    Names are those of a mapping, or the targets'. The engine `local` builds one after another in
    this process. `ray` builds beside each other on the cluster of Ray at `address` (`HOST:PORT`,
    or `auto`), or without one on this machine's processors: each build has `cpus` and `gpus` to
    itself, and as many threads as cpus. `slurm` submits each build as a job from here; jobs and
    what they print lie in `slurm` beside the bundles, in a folder that every node has. Machines of
    a cluster find projects and stages in the shared cache (`EDGEKIT_SHARED_CACHE`). A build whose
    worker is lost is repeated up to `retries` times, and goes on from its finished stages.
    `devices` is a `devices.toml`: a build measures on a device for its target, which no other build
    has meanwhile.

    Results are in the order of the requests, with the error of each that failed. Raises
    `UsageError` where the requests cannot be built together, `FarmError` for the file of devices,
    `RuntimeMissing` without Ray or submitit.
    """
    if engine not in ENGINES:
        raise UsageError(f"No engine '{engine}'. Known: {', '.join(ENGINES)}.")
    check_amounts(cpus, gpus)
    named = _named(requests)
    places = out if isinstance(out, Mapping) else {n: Path(out) / n for n in named}
    tasks = [
        FleetTask(name=name, request=one, out=places[name], cpus=cpus, gpus=gpus)
        for name, one in named.items()
    ]
    lender = Lender(
        farm_of(devices, [one.project.targets_folder for one in named.values()])
    )
    if engine == "local":
        shared: dict[str, Shared] = {}

        def work(task: FleetTask, address: str, progress: Progress) -> Done:
            loaded = shared.setdefault(_loaded_by(task.request.project), {})
            return _built_here(task, address, progress, loaded)

        shown = progress or Logged()
        with warm.kept():
            states = inline.run(tasks, work, lender, progress=shown, watch=watch)
        return [_result(state) for state in states]
    return _on_cluster(tasks, lender, engine, address, retries, watch)


def _on_cluster(
    tasks: Sequence[FleetTask],
    lender: Lender,
    engine: EngineName,
    address: str | None,
    retries: int,
    watch: Watch,
) -> list[BuildResult]:
    store = Store()
    environment = worker_builds.environment(
        store, shared=engine == "slurm" or address is not None
    )
    run: partial[list[TaskState]]
    if engine == "slurm":
        logs = tasks[0].out.resolve().parent / "slurm"
        jobs = SlurmOptions(logs=logs, retries=retries, environment=environment)
        run = partial(slurm.run, options=jobs)
    else:
        ray = ClusterOptions(address=address, retries=retries, environment=environment)
        run = partial(cluster.run, options=ray)
    refused = {state.task.name: state for state in map(_placed, tasks) if state.over}
    packed = _packed([task for task in tasks if task.name not in refused], store)
    states = run(packed, worker_builds.build, lender, watch=watch)
    ended = {state.task.name: worker_builds.delivered(state, store) for state in states}
    return [_result({**ended, **refused}[task.name]) for task in tasks]


def _placed(task: FleetTask) -> TaskState:
    """The task's state, which is its end where its folder cannot be written."""
    state = TaskState(task=task)
    try:
        bundle.check_place(task.out.resolve())
    except OutputError as error:
        state.fail(error)
    return state


def _packed(tasks: Sequence[FleetTask], store: Store) -> list[FleetTask]:
    """The tasks with their projects in the store, each project once."""
    outs = [task.out for task in tasks]
    entries: dict[Path, str] = {}
    packed = []
    for task in tasks:
        one = task.request.project
        if one.root not in entries:
            without = [*outs, one.root / "build"]
            entries[one.root] = transport.keep_project(one, store, without=without)
        packed.append(replace(task, project=entries[one.root]))
    return packed


def _loaded_by(one: project.Project) -> str:
    """All that the network and the data of a project are read by."""
    return repr((one.root, one.model, one.data, one.task))


def _built_here(
    task: FleetTask, address: str, progress: Progress, shared: Shared
) -> Done:
    """Build into the task's folder; errors on purpose are in the result."""
    stages, failure = worker_builds.Stages(), None
    try:
        with attached_environment(
            task.request, device=address, progress=progress
        ) as env:
            stages.store = env.store
            run_build(task.request, env, task.out, shared)
    except EdgeKitError as error:
        failure = Failure.of(error)
    return Done(failure=failure, stages_kept=stages.kept, stages_run=stages.run)


def _result(state: TaskState) -> BuildResult:
    done, report = state.done or Done(), worker_builds.report_of(state)
    return BuildResult(
        name=state.task.name,
        folder=state.task.out,
        report=report,
        error=done.failure.error(report) if done.failure else None,
        attempts=tuple(state.attempts),
        stages_kept=done.stages_kept,
        stages_run=done.stages_run,
    )


def check_amounts(cpus: float, gpus: float) -> None:
    """Raise `UsageError` for processors that a build cannot have."""
    for name, amount in (("cpus", cpus), ("gpus", gpus)):
        if amount < 0 or (amount > 1 and amount % 1) or (name == "cpus" and not amount):
            raise UsageError(
                f"{name} = {amount:g}: a build has a fraction of one, or whole ones."
            )


def _named(
    requests: Sequence[BuildRequest] | Mapping[str, BuildRequest],
) -> dict[str, BuildRequest]:
    if not isinstance(requests, Mapping):
        names = [one.target.name for one in requests]
        twice = next((n for n, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise UsageError(
                f"Two requests are for {twice}. Give each a name of its own: "
                f'build_many({{"{twice}-1": ..., "{twice}-2": ...}}).'
            )
        requests = dict(zip(names, requests, strict=True))
    for name in requests:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"The build {name!r} cannot have a folder of its name. Take letters, digits "
                "and ._-=,+ for it."
            )
    return dict(requests)


def farm_of(file: str | Path | None, targets_folders: Sequence[Path]) -> Farm | None:
    """The farm of a `devices.toml`, or of the folder with one; raises `FarmError`."""
    if file is None:
        return None
    path = Path(file)
    if path.is_dir():
        path = path / farm_file.FILE
    return Farm.read(path, folders=tuple(dict.fromkeys(targets_folders)))
