"""`edgekit explain`: the page of an error."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from edgekit.commands.console import Json, out_console
from edgekit.error_pages import PAGES, by_id
from edgekit.errors import UsageError


def explain(
    error: Annotated[
        str | None,
        typer.Argument(help="An error's id, as E0204.", show_default="all of them"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what an error means, and what to do.

    edgekit explain E0204
    """
    chosen = PAGES
    if error is not None:
        page = by_id(error)
        if page is None:
            raise UsageError(f"There is no error '{error}'. List them: edgekit explain")
        chosen = (page,)
    if as_json:
        shown = [
            {
                "id": page.id,
                "kind": page.kind.__name__,
                "exit_code": page.kind.exit_code,
                "means": page.means,
                "fixes": list(page.fixes),
            }
            for page in chosen
        ]
        print(json.dumps(shown if error is None else shown[0], indent=2))
    elif error is None:
        for page in chosen:
            out_console.print(f"{page.id}  {page.kind.__name__}", highlight=False)
    else:
        [page] = chosen
        out_console.print(f"[bold]{page.id}[/]  {page.kind.__name__}", highlight=False)
        out_console.print(escape(page.means), highlight=False)
        for fix in page.fixes:
            out_console.print(escape(f"* {fix}"), highlight=False)
