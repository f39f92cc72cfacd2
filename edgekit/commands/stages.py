"""The stages of a build in a terminal: kept or run, and why."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekit.commands.console import err_console
from edgekit.store import Store, reason


def show(store: Store) -> None:
    """List the stages of this process in order, with the seconds that making each took."""
    table = Table("Stage", "", "s", "Why", box=SIMPLE_HEAD, pad_edge=False)
    for one in store.outcomes:
        seconds = "" if one.kept else f"{one.seconds:.1f}"
        done = Text("kept", style="green") if one.kept else Text("run")
        table.add_row(Text(one.title), done, seconds, Text(reason(store, one)))
    err_console.print(table)
    ran = sum(not one.kept for one in store.outcomes)
    err_console.print(f"{len(store.outcomes) - ran} stages kept, {ran} run")
