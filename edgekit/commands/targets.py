"""`edgekit targets`: the devices that have a profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Json, out_console, plain
from edgekit.config import targets

app = typer.Typer(help="List the supported devices, or explain one.")


@app.callback(invoke_without_command=True)
def _targets(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand:
        return
    found = targets.known([Path("targets")])
    if as_json:
        print(json.dumps([plain(target) for target in found], indent=2))
        return
    table = Table(box=None)
    table.add_column("target", no_wrap=True)
    for heading in ("runtimes", "device"):
        table.add_column(heading)
    for target in found:
        names = "\n  also ".join((target.name, *target.aliases))
        table.add_row(names, ", ".join(target.runtimes), target.description)
    out_console.print(table)


@app.command("show")
def targets_show(
    name: Annotated[str, typer.Argument(help="A target's name or alias.")],
    as_json: Json = False,
) -> None:
    """Explain one target: runtimes, precisions, core, memory, power and where that is from."""
    target = targets.load(name, folders=[Path("targets")])
    if as_json:
        print(json.dumps(plain(target), indent=2))
        return
    table = Table(box=None, show_header=False)
    for key, value in plain(target).items():
        table.add_row(key, escape(_text(value)))
    out_console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return (
            ", ".join(f"{key} {_text(each)}" for key, each in value.items()) or "none"
        )
    if isinstance(value, list):
        joint = ". " if any(" " in _text(each) for each in value) else ", "
        return joint.join(_text(each).rstrip(".") for each in value) or "none"
    return str(value)
