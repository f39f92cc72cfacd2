"""`edgekit search`: settings that no plan decides, and the frontier of what they lead to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands import logs
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

    Choices have | between them, and quotes around them in a shell.
    """
    from edgekit.api.searches import search as run
    from edgekit.report.search_page import HTML, show, to_json

    logs.check(verbose, quiet=quiet)
    shown = Bars(err_console, silent=quiet, verbose=verbose)
    with logs.written("search", err_console, verbose=verbose):
        report = run(
            folder,
            target=target,
            vary=vary,
            trials=trials,
            out=out,
            rungs=rungs,
            settings=settings or (),
            device=device,
            allow_pickle=allow_pickle,
            progress=shown,
        )
    if as_json:
        print(json.dumps(to_json(report), indent=2))
    elif not quiet:
        show(report, out_console)
        out_console.print(f"Report: {out / HTML}", highlight=False, soft_wrap=True)
