"""`edgekit init`: a commented edgekit.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.commands.console import out_console


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project.")] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace an edgekit.toml.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The trained network, instead of the one found."),
    ] = None,
) -> None:
    """Write a commented edgekit.toml, filled in with what can be found in the folder."""
    from edgekit.commands.scaffold import write

    file, found = write(folder, force=force, model=model)
    for line in found:
        out_console.print(f"  {line}", highlight=False)
    out_console.print(
        f"Wrote {file}. Read it, then: edgekit build --target raspberrypi"
    )
