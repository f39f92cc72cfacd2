"""`edgekit history`: how figures of artifacts went from commit to commit, or build to build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from edgekit.commands.console import Json, Quiet, out_console, plain
from edgekit.errors import UsageError


def history(  # noqa: PLR0913 - a command's options
    place: Annotated[
        Path, typer.Argument(help="A folder with reports in it, or one report.json.")
    ],
    git: Annotated[
        bool,
        typer.Option("--git", help="Read the place in each commit that changed it."),
    ] = False,
    revisions: Annotated[
        str | None,
        typer.Option(
            "--revisions",
            help="Commits for --git, as git takes them: v1.0..main.",
            show_default="all up to HEAD",
        ),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", help="Most entries; the newest stay.", min=1)
    ] = 50,
    every: Annotated[
        bool, typer.Option("--all", help="Show artifacts that were not chosen, too.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the page goes.")
    ] = Path("build/history.html"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show latency, size and accuracy of artifacts over builds or commits.

    Reads report.json of builds and files of edgekit bench --out and edgekit gate --out, of every
    schema: as a table, and as a page with trends. Other JSON files in the folder are left out.

        edgekit history reports
        edgekit history baseline.json --git
        edgekit history reports --git --revisions v1.0..main
    """
    from edgekit.bench import trend
    from edgekit.report import history_page
    from edgekit.report.plan_page import check_place, write_page

    if revisions is not None and not git:
        raise UsageError(f"--revisions {revisions} is for --git. Add --git.")
    check_place(out)
    if git:
        entries = trend.from_commits(place, revisions=revisions, last=last)
    else:
        entries = trend.from_folder(place)[-last:]
    found = history_page.steps(entries, every=every)
    if not found:
        raise UsageError(f"No artifact at {place} was chosen. Show every one: --all")
    write_page(history_page.history_page(place.name or str(place), found), out)
    if as_json:
        print(json.dumps(plain(entries), indent=2))
    elif not quiet:
        out_console.print(history_page.table(found))
        if len(machines := history_page.machines(found)) > 1:
            listed = escape("; ".join(machines))
            out_console.print(f"Latencies are of {len(machines)} machines: {listed}")
        out_console.print(f"Page: {out}", highlight=False)
