"""`edgekit plan`: what plans would look like, before any training."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands.build import open_job
from edgekit.commands.console import (
    Address,
    Bars,
    Folder,
    Json,
    Pickle,
    Quiet,
    err_console,
    out_console,
    plain,
)


def plan(  # noqa: PLR0913 - a command's options
    target: Annotated[
        list[str],
        typer.Option(
            "--target",
            "-t",
            help="Device to plan for; repeat it to see several side by side.",
        ),
    ],
    folder: Folder = Path(),
    device: Address = "local",
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Where the page goes."),
    ] = Path("build/plan.html"),
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what each speed-up would cost in answers, in minutes and without training.

    The expected frontier on each target, what each budget would keep, where time goes now, what
    is sensitive and what blocks: as tables and as a page.

        edgekit plan --target raspberrypi --target intel-n100
    """
    from edgekit.preview import preview
    from edgekit.report.preview import show_preview, write_preview

    shown = Bars(err_console, silent=quiet)
    with ExitStack() as devices:
        jobs = [
            devices.enter_context(open_job(folder, name, shown, allow_pickle, device))
            for name in target
        ]
        found = preview(jobs)
    write_preview(jobs[0].project.name, found, out)
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        show_preview(found, out_console)
        out_console.print(f"Page: {out}", highlight=False)
