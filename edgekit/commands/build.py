"""`edgekit build`: the whole line, into a bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit import scratch
from edgekit.commands import dry_run, fleet, logs, tracking
from edgekit.commands.console import (
    Address,
    Bars,
    Folder,
    Json,
    Pickle,
    Quiet,
    Settings,
    Verbose,
    err_console,
    out_console,
    print_error,
)
from edgekit.commands.several import (
    kept_apart,
    once,
    print_reports,
    refuse,
    side_by_side,
)
from edgekit.config import lock_file, project
from edgekit.errors import BudgetMissed, EdgeKitError, UsageError
from edgekit.package import PackageKind, PackageRequest, of_build
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Progress
from edgekit.store import Store, upkeep
from edgekit.suggestions import suggest_path
from edgekit.types import Report


def build(  # noqa: PLR0913 - a command's options
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            help="Device to build for (see `edgekit targets`); repeat it for several.",
            show_default="needed, or --targets",
        ),
    ] = None,
    listed: fleet.Listed = None,
    folder: Folder = Path(),
    device: Address = "local",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where the bundle goes; of several targets each has a folder in it.",
            show_default="build/TARGET",
        ),
    ] = None,
    image: Annotated[
        bool,
        typer.Option("--image", help="Package the bundle as an image, too."),
    ] = False,
    allow_pickle: Pickle = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Build a network or data that look wrong all the same.",
        ),
    ] = False,
    settings: Settings = None,
    locked: Annotated[
        bool,
        typer.Option(
            "--locked",
            help="Make the network of edgekit.lock again, without measuring costs.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="List each stage of the build: kept from before or run, and why.",
        ),
    ] = False,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what is kept from earlier builds and what would be run; run nothing.",
        ),
    ] = False,
    track: Annotated[
        str | None,
        typer.Option(
            "--track",
            help="Log the build as a run of MLflow: sqlite:///mlflow.db, or a server.",
            show_default="none",
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            "--tensorboard",
            help="Write the epochs of the training for TensorBoard into this folder.",
            show_default="none",
        ),
    ] = None,
    engine: fleet.Engine = "local",
    address: fleet.Cluster = None,
    devices: fleet.Devices = None,
    cpus: fleet.Cpus = 1.0,
    gpus: fleet.Gpus = 0.0,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Prune, distill, export, measure and package a trained network for a device.

    Reads edgekit.toml in the project's folder; without one, here, it builds the embedded
    example: handwritten digits. The bundle holds the model, every candidate, the student as
    .pt2, a manifest and a report.

        edgekit build --target raspberrypi
        edgekit build --target raspberrypi --device ssh://pi@raspberrypi

    Several targets are built one after another, a bundle each; one that fails loses no other,
    and the exit code is the highest of the failures'.

        edgekit build --target raspberrypi --target intel-n100
        edgekit build --targets all --engine ray

    On several GPUs or machines: accelerate launch -m edgekit build --target raspberrypi
    """
    from edgekit.pipeline import distributed

    logs.check(verbose, quiet=quiet)
    tracking.check(track, tensorboard)
    silent = quiet or not distributed.is_main_process()
    shown = (dry_run.Looking if dry else Bars)(
        err_console, silent=silent, verbose=verbose
    )
    fleet_options = fleet.FleetOptions(
        engine=engine, address=address, devices=devices, cpus=cpus, gpus=gpus
    )
    fleet_options.check(
        {
            "--device": device != "local",
            "--image": image,
            "--explain": explain,
            "--dry-run": dry,
            "--track": track is not None,
            "--tensorboard": tensorboard is not None,
        }
    )
    names = fleet.named(folder, target or (), listed)
    places = _places(once(folder, names, shown), out)
    if len(places) > 1 and distributed.is_distributed():
        raise UsageError("A launcher builds for one target. Name one --target.")
    kind = of_build("image") if image else None
    if kind is not None:
        kind.check()  # a machine that cannot package refuses before the build
    asked = _Asked(
        folder=folder,
        device=device,
        allow_pickle=allow_pickle,
        accept_doubts=yes,
        settings=tuple(settings or ()),
        shown=shown,
        kind=kind,
        talks=not (as_json or quiet),
        explains=explain,
        locked=locked,
        verbose=verbose,
        track=track,
        tensorboard=tensorboard,
    )
    if dry:
        _look_at(asked, places, as_json=as_json)
        return
    if engine != "local" or devices is not None:
        _build_many(asked, places, fleet_options, as_json=as_json)
        return
    built: dict[str, Report] = {}
    failed: dict[str, EdgeKitError] = {}
    try:
        _build_each(asked, places, built, failed)
    finally:  # an interruption loses no target that is finished, either
        if as_json:
            print_reports(list(built.values()), multiple=len(places) > 1)
        elif asked.talks and len(places) > 1:
            side_by_side(list(places), built, failed)
    refuse(failed, of=len(places))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Options for every target of one command."""

    folder: Path
    device: str
    allow_pickle: bool
    accept_doubts: bool
    settings: tuple[str, ...]
    shown: Bars
    kind: PackageKind | None
    talks: bool
    explains: bool
    locked: bool
    verbose: int
    track: str | None
    tensorboard: Path | None
    shared: dict[object, Any] = field(default_factory=dict)
    """The common part of builds for several targets."""


def _places(targets: Sequence[str], out: Path | None) -> dict[str, Path]:
    """Where each target's bundle goes: `out` itself where there is one target."""
    if out is not None and len(targets) == 1:
        return {targets[0]: out}
    return {target: (out or Path("build")) / target for target in targets}


def _build_each(
    asked: _Asked,
    places: Mapping[str, Path],
    built: dict[str, Report],
    failed: dict[str, EdgeKitError],
) -> None:
    """Build for one target after another; the libraries of exports are imported once."""
    from edgekit.export import warm

    with warm.kept():
        for name, place in places.items():
            if len(places) > 1:
                asked.shown.say(f"Target {name}, into {place}/")
            log = logs.written(name, err_console, verbose=asked.verbose)
            with kept_apart(name, failed, asked.shown, of=len(places)), log:
                _build(asked, name, place, built)


def _build(asked: _Asked, target: str, place: Path, built: dict[str, Report]) -> None:
    """Build for one target, note its report in `built` and show it.

    Raises `BudgetMissed` after that where the bundle's model is over its budget.
    """
    from edgekit.api.environment import attached_environment
    from edgekit.commands import stages
    from edgekit.pipeline import distributed
    from edgekit.pipeline.build import build as run
    from edgekit.report import summary

    missed: BudgetMissed | None = None
    # Processes that only train measure nothing, and need no device.
    device = asked.device if distributed.is_main_process() else "local"
    request = _request(asked, target)
    attached = attached_environment(request, device=device, progress=asked.shown)
    track = asked.track if distributed.is_main_process() else None
    with (
        attached as env,
        tracking.tracked(track, request, env.store) as tracked,
        distributed.joined(_end),
    ):
        if not distributed.is_main_process():
            distributed.worker_loop(request, env)
            return
        upkeep.trim(env.store)
        try:
            report = run(request, env, place, asked.shared)
        except BudgetMissed as error:
            missed, report = error, error.report  # type: ignore[assignment]
        finally:
            logs.stages(env.store)
            if asked.explains:
                stages.show(env.store)
        if tracked is not None:
            tracked.report(report, place)
    if asked.tensorboard is not None:
        tracking.scalars(report, asked.tensorboard)
    built[target] = report
    if asked.talks:
        summary(report, out_console)
        out_console.print(
            f"Bundle: {place}/  (open {place}/report.html)", highlight=False
        )
    if missed:
        raise missed
    if asked.kind is not None:
        _package(asked.kind, place, env.store, asked.shown, quiet=not asked.talks)


def _end(error: EdgeKitError) -> None:
    """End this process, whose main thread may wait for a lost one for ever."""
    print_error(error)
    os._exit(error.exit_code)


def _build_many(
    asked: _Asked,
    places: Mapping[str, Path],
    options: fleet.FleetOptions,
    *,
    as_json: bool,
) -> None:
    """Build for every target as the options have it, and show what became of each."""
    requests = {name: _request(asked, name) for name in places}
    with logs.written("fleet", err_console, verbose=asked.verbose):
        results = fleet.build(requests, places, options, asked.shown, live=asked.talks)
    built = {one.name: one.report for one in results if one.report is not None}
    failed = {one.name: one.error for one in results if one.error is not None}
    if as_json:
        print_reports(list(built.values()), multiple=len(places) > 1)
    elif asked.talks:
        side_by_side(list(places), built, failed)
    refuse(failed, of=len(places))


def _look_at(asked: _Asked, places: Mapping[str, Path], *, as_json: bool) -> None:
    """Show what a build for each target would do; an error of one does not lose the others."""
    looks: list[dry_run.DryRun] = []
    failed: dict[str, EdgeKitError] = {}
    for name, place in places.items():
        with kept_apart(name, failed, asked.shown, of=len(places)):
            looks.append(_look(asked, name, place))
    if as_json and looks:
        print(dry_run.as_json(looks))
    elif asked.talks:
        for look in looks:
            dry_run.show(look, out_console)
    refuse(failed, of=len(places))


def _look(asked: _Asked, target: str, place: Path) -> dry_run.DryRun:
    """A build into a folder that goes, which ends where work begins."""
    from edgekit.api.environment import attached_environment
    from edgekit.pipeline.build import build as run

    request = replace(_request(asked, target), lock_folder=None)
    attached = attached_environment(request, device=asked.device, progress=asked.shown)
    begins: dry_run.WorkBegins | None = None
    with attached as env, scratch.folder() as aside:
        try:
            run(request, env, aside / "bundle", asked.shared)
        except dry_run.WorkBegins as work:
            begins = work
        except (
            BudgetMissed
        ):  # the kept bundle is over its budget, and copied all the same
            pass
        return dry_run.found(target, place, request.project.budget, env.store, begins)


def _request(asked: _Asked, target: str) -> BuildRequest:
    """The request with the lock that it repeats, or with the place of the one it writes.

    Raises `LockError` where there is no lock to repeat.
    """
    request = read_request(
        asked.folder,
        target,
        asked.shown,
        allow_pickle=asked.allow_pickle,
        settings=asked.settings,
    )
    folder = asked.folder
    lock = lock_file.read(folder, request.target.name) if asked.locked else None
    return replace(
        request,
        accept_doubts=asked.accept_doubts,
        locked=lock,
        lock_folder=folder if (folder / project.FILE).is_file() else None,
    )


def _package(
    kind: PackageKind, place: Path, store: Store, shown: Bars, *, quiet: bool
) -> None:
    from edgekit.commands.package import show

    options = {option.name: option.empty for option in kind.options}
    request = PackageRequest(bundle=place, options=options, store=store, progress=shown)
    show(kind.package(request), as_json=False, quiet=quiet)


def read_request(
    folder: Path,
    target: str,
    shown: Progress,
    *,
    allow_pickle: bool = False,
    settings: Sequence[str] = (),
) -> BuildRequest:
    """The build of the project in `folder` for `target`, or of the embedded example.

    `settings` such as `budget.speedup=2` take the place of the project's values.

    Raises `UsageError` where another folder has no project, `ProjectError` and `TargetError` for
    files that cannot be read.
    """
    here = folder / project.FILE
    if here.is_file():
        one = project.load(folder)
    elif folder == Path():
        one = project.example()
        shown.say(
            f"No {project.FILE} here: building the embedded example, handwritten digits"
        )
    else:
        raise UsageError(
            f"No {here}.{suggest_path(here)} Write one: edgekit init {folder}"
        )
    return BuildRequest.of(one, target, settings=settings, allow_pickle=allow_pickle)
