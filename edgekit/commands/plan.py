"""`edgekit plan`: what plans would look like, before any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands import logs
from edgekit.commands.build import read_request
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
    plain,
)
from edgekit.commands.several import kept_apart, once, refuse
from edgekit.errors import EdgeKitError
from edgekit.types import Preview


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
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Show what each speed-up would cost in answers, in minutes and without training.

    The expected frontier on each target, what each budget would keep, where time goes now, what
    is sensitive and what blocks: as tables and as a page. Where a target fails, the others are
    shown all the same, and the exit code is the highest of the failures'.

        edgekit plan --target raspberrypi --target intel-n100
    """
    from edgekit.api.environment import attached_environment
    from edgekit.export import warm
    from edgekit.pipeline.preview import Previewer
    from edgekit.report.plan_page import check_place

    check_place(out)
    logs.check(verbose, quiet=quiet)
    shown = Bars(err_console, silent=quiet, verbose=verbose)
    found: list[Preview] = []
    failed: dict[str, EdgeKitError] = {}
    attached = partial(attached_environment, device=device, progress=shown)
    with ExitStack() as devices:
        devices.enter_context(logs.written("plan", err_console, verbose=verbose))
        asked = [
            (request, devices.enter_context(attached(request)))
            for request in [
                read_request(
                    folder,
                    name,
                    shown,
                    allow_pickle=allow_pickle,
                    settings=settings or (),
                )
                for name in once(folder, target, shown)
            ]
        ]
        devices.enter_context(warm.kept())  # for all targets
        looked = Previewer()
        try:
            for request, env in asked:
                name = request.target.name
                with kept_apart(name, failed, shown, of=len(asked)):
                    found.append(looked.preview(request, env))
        finally:  # an interruption loses no target that is finished, either
            if found:
                name = asked[0][0].project.name
                _show(name, found, out, as_json=as_json, quiet=quiet)
    refuse(failed, of=len(asked))


def _show(
    project: str, found: Sequence[Preview], out: Path, *, as_json: bool, quiet: bool
) -> None:
    from edgekit.report.plan_page import show_preview, write_preview

    write_preview(project, found, out)
    if as_json:
        print(json.dumps(plain(found), indent=2))
    elif not quiet:
        show_preview(found, out_console)
        out_console.print(f"Page: {out}", highlight=False)
