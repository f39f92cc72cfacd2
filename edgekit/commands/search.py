"""`edgekit search`: settings that no plan decides, and the frontier of what they lead to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, cast

import typer

from edgekit.commands import fleet, logs
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
)
from edgekit.errors import UsageError
from edgekit.pipeline.fleet.records import EngineName


def search(  # noqa: PLR0913 - a command's options
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", help="Device to build for (see `edgekit targets`)."
        ),
    ],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            help="A setting with its range or its choices: recipe.distill.epochs=5..40, "
            "'recipe.distill.optimizer=sgd|adamw'. Repeatable.",
        ),
    ],
    folder: Folder = Path(),
    trials: Annotated[
        int,
        typer.Option(
            "--trials", help="Settings to try, those of earlier runs among them."
        ),
    ] = 12,
    rungs: Annotated[
        int,
        typer.Option(
            "--rungs",
            help="Trainings of a trial at most, each with twice the epochs of the one before.",
        ),
    ] = 3,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Where trials, bundles and the report go."),
    ] = Path("build/search"),
    device: Address = "local",
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="local: one trial after another. ray: beside each other, on a cluster.",
        ),
    ] = "local",
    address: fleet.Cluster = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            help="Trials at once at most, on a cluster.",
            show_default="as many as it has free processors for",
        ),
    ] = None,
    devices: fleet.Devices = None,
    cpus: fleet.Cpus = 1.0,
    gpus: fleet.Gpus = 0.0,
    settings: Settings = None,
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Try settings that no plan decides (resolution, recipe, budget), and print the frontier.

    Each trial is a build. It trains for a fraction of its epochs first, and for more while it is in
    the better half of the trials. A search that was interrupted goes on where it was: run the
    same command again.

        edgekit search -t raspberrypi --vary budget.speedup=2..8 --vary recipe.distill.epochs=8..40

    Choices have | between them, and quotes around them in a shell. On a cluster trials run beside
    each other:

        edgekit search -t raspberrypi --vary budget.speedup=2..8 --engine ray --jobs 4
    """
    from edgekit.api.searches import search as run
    from edgekit.report.search_page import HTML, show, to_json

    logs.check(verbose, quiet=quiet)
    _check(engine, devices, jobs)
    fleet.FleetOptions(
        engine=engine, address=address, devices=devices, cpus=cpus, gpus=gpus
    ).check({"--device": device != "local"})
    shown = Bars(err_console, silent=quiet, verbose=verbose)
    live = engine != "local" and not quiet and not verbose
    with (
        logs.written("search", err_console, verbose=verbose),
        fleet.FleetTable(err_console, shown, live=live) as watch,
    ):
        report = run(
            folder,
            target=target,
            vary=vary,
            trials=trials,
            out=out,
            rungs=rungs,
            settings=settings or (),
            device=device,
            engine=cast(EngineName, engine),
            address=address,
            devices=devices,
            jobs=jobs,
            cpus=cpus,
            gpus=gpus,
            allow_pickle=allow_pickle,
            progress=shown,
            watch=watch,
        )
    if as_json:
        print(json.dumps(to_json(report), indent=2))
    elif not quiet:
        show(report, out_console)
        out_console.print(f"Report: {out / HTML}", highlight=False, soft_wrap=True)


def _check(engine: str, devices: Path | None, jobs: int | None) -> None:
    """Raise `UsageError` for an engine that does not search, and for what needs another one."""
    if engine not in ("local", "ray"):
        raise UsageError(f"--engine {engine} does not search. Write local or ray.")
    for name, value in (("--devices", devices), ("--jobs", jobs)):
        if engine == "local" and value is not None:
            raise UsageError(f"{name} is for trials on a cluster: add --engine ray.")
