"""`edgekit build`: the whole line, into a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit import project, targets
from edgekit.commands.console import (
    Address,
    Bars,
    Folder,
    Json,
    Pickle,
    Quiet,
    err_console,
    out_console,
)
from edgekit.errors import BudgetMissed, DeviceError, UsageError
from edgekit.types import CostSource, Target


def build(  # noqa: PLR0913 - a command's options
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", help="Device to build for: see `edgekit targets`."
        ),
    ],
    folder: Folder = Path(),
    device: Address = "local",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the bundle goes.", show_default="build/TARGET"
        ),
    ] = None,
    image: Annotated[
        bool,
        typer.Option("--image", help="Package the bundle as a Docker image, too."),
    ] = False,
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Prune, distil, export, measure and package a trained network for a device.

    Reads edgekit.toml in the project's folder; without one, here, it builds the embedded
    example: handwritten digits. The bundle holds the model, every candidate, the student as
    .pt2, a manifest and a report.

        edgekit build --target raspberrypi
        edgekit build --target raspberrypi --device ssh://pi@raspberrypi

    On several GPUs or machines: accelerate launch -m edgekit build --target raspberrypi
    """
    from edgekit import together
    from edgekit.build import build as run
    from edgekit.report import summary, to_json

    shown = Bars(err_console, silent=quiet or not together.leads())
    engine = _engine() if image else None
    place = out or Path("build") / target
    missed: BudgetMissed | None = None
    # The others only train: they measure nothing, and need no device.
    there = device if together.leads() else "local"
    with open_job(folder, target, shown, allow_pickle, there) as job:
        if not together.leads():
            together.follow(job)
            return
        try:
            report = run(job, place)
        except BudgetMissed as error:
            missed, report = error, error.report  # type: ignore[assignment]
        finally:
            together.dismiss()
    if as_json:
        print(json.dumps(to_json(report), indent=2))
    elif not quiet:
        summary(report, out_console)
        out_console.print(
            f"Bundle: {place}/  (open {place}/report.html)", highlight=False
        )
    if missed:
        raise missed
    if engine is not None:
        _package(place, job, shown, engine, quiet=quiet or as_json)


def _engine() -> Any:
    """Found before the build, so that a machine without one refuses at once."""
    from edgekit.package.engine import Engine

    return Engine.find()


def _package(place: Path, job: Any, shown: Bars, engine: Any, *, quiet: bool) -> None:
    from edgekit.commands.package import show
    from edgekit.package import docker

    order = docker.Order(bundle=place)
    built = docker.package(order, job.store, shown, engine)
    show(built, as_json=False, quiet=quiet)


@contextmanager
def open_job(
    folder: Path,
    target: str,
    shown: Bars,
    allow_pickle: bool,
    device: str = "local",
) -> Iterator[Any]:
    """The build that was asked for, its device attached while the block lasts."""
    from edgekit.devices.resolve import attached
    from edgekit.job import Job
    from edgekit.store import Store

    here = folder / project.FILE
    if here.is_file():
        one = project.load(folder)
    elif folder == Path():
        one = project.example()
        shown.say(
            f"No {project.FILE} here: building the embedded example, handwritten digits"
        )
    else:
        raise UsageError(f"No {here}. Write one: edgekit init {folder}")
    found = targets.load(target, folders=[one.targets_folder])
    source: CostSource | None = "device" if found.cpu == "host" else None
    wanted = one.for_target(found).recipe.export.runtimes or found.runtimes
    with attached(device, source=source, runtimes=wanted) as there:
        if device != "local":
            _refuse_foreign(found, there)
        yield Job(
            project=one.for_target(found),
            target=found,
            device=there,
            store=Store(),
            progress=shown,
            allow_pickle=allow_pickle,
        )


def _refuse_foreign(target: Target, device: Any) -> None:
    """A device of another architecture than the target's proves nothing about it."""
    machine = device.probe()["machine"]
    if machine["emulated"]:
        raise DeviceError(
            f"{device.name} is emulated ({machine['emulation_evidence']}): a build times "
            "operators and artefacts, and its times mean nothing. Leave --device out."
        )
    if machine["arch"] != target.arch:
        raise DeviceError(
            f"{device.name} is a {machine['arch']}; {target.name} is a {target.arch}. Name "
            "the board, or the target that this device is: edgekit targets."
        )
