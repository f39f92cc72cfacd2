"""`edgekit build`: the whole line, into a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edgekit import project, targets
from edgekit.commands.console import (
    Bars,
    Folder,
    Json,
    Pickle,
    Quiet,
    err_console,
    out_console,
)
from edgekit.errors import BudgetMissed, UsageError


def build(
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", help="Device to build for: see `edgekit targets`."
        ),
    ],
    folder: Folder = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the bundle goes.", show_default="build/TARGET"
        ),
    ] = None,
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Prune, distil, export, measure and package a trained network for a device.

    Reads edgekit.toml in the project's folder; without one, here, it builds the embedded
    example: handwritten digits. The bundle holds the model, every candidate, the student as
    .pt2, a manifest and a report.

        edgekit build --target raspberrypi

    On several GPUs or machines: accelerate launch -m edgekit build --target raspberrypi
    """
    from edgekit import together
    from edgekit.build import build as run
    from edgekit.report import summary, to_json

    shown = Bars(err_console, silent=quiet or not together.leads())
    job = open_job(folder, target, shown, allow_pickle)
    if not together.leads():
        together.follow(job)
        return
    place = out or Path("build") / target
    missed: BudgetMissed | None = None
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


def open_job(folder: Path, target: str, shown: Bars, allow_pickle: bool) -> Any:
    from edgekit.devices.local import LocalDevice
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
    return Job(
        project=one.for_target(found),
        target=found,
        device=LocalDevice(source="device" if found.cpu == "host" else "host"),
        store=Store(),
        progress=shown,
        allow_pickle=allow_pickle,
    )
