"""`edgekit cache`: what finished stages of builds take on this disk, and what becomes of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgekit.commands.console import Json, err_console, out_console
from edgekit.errors import MeasurementError, UsageError
from edgekit.store import Shared, Store, upkeep

app = typer.Typer(help="List, verify, clean or carry what builds keep.")
_DAY_S = 86400.0


@app.command("info")
def cache_info(as_json: Json = False) -> None:
    """List the kinds of results that are kept: their number, size and last use."""
    store = Store()
    kinds: dict[str, list[upkeep.Item]] = {}
    for one in upkeep.items(store):
        kinds.setdefault(one.kind, []).append(one)
    rows = [
        {
            "kind": kind,
            "items": len(each),
            "bytes": sum(one.size_bytes for one in each),
            "used": datetime.fromtimestamp(max(o.used for o in each), UTC).isoformat(
                timespec="minutes"
            ),
        }
        for kind, each in kinds.items()
    ]
    total = sum(one.size_bytes for each in kinds.values() for one in each)
    shared = None if store.shared is None else _described(store.shared)
    if as_json:
        found = {
            "folder": str(store.root),
            "bytes": total,
            "kinds": rows,
            "shared": shared,
        }
        print(json.dumps(found, indent=2))
        return
    table = Table("Kind", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("Items", "MB", "Last used"):
        table.add_column(heading, justify="right")
    for kind, each in kinds.items():
        days = (time.time() - max(one.used for one in each)) / _DAY_S
        size = sum(one.size_bytes for one in each) / 10**6
        when = "today" if days < 1 else f"{days:.0f} days ago"
        table.add_row(kind, str(len(each)), f"{size:.1f}", when)
    out_console.print(f"{store.root}: {total / 10**6:.1f} MB", highlight=False)
    if kinds:
        out_console.print(table)
    if shared is not None:
        said = (
            f"{shared['entries']} entries, {shared['bytes'] / 10**6:.1f} MB"
            if shared["fault"] is None
            else f"cannot be used ({shared['fault']})"
        )
        out_console.print(f"Shared: {shared['address']}: {said}", highlight=False)


def _described(shared: Shared) -> dict[str, Any]:
    """The shared cache: its entries and bytes, or its fault."""
    entries, size, fault = None, None, None
    try:
        entries, size = shared.size()
    except Exception as error:  # noqa: BLE001 (file systems have errors of their own)
        fault = str(error).partition("\n")[0] or type(error).__name__
    return {
        "address": shared.shown,
        "entries": entries,
        "bytes": size,
        "fault": fault,
    }


@app.command("verify")
def cache_verify() -> None:
    """Compare every kept result with the hash of when it was written; damaged ones are removed.

    The exit code is 4 where there were any.
    """
    count, damaged = upkeep.verify(Store())
    for one in damaged:
        out_console.print(f"damaged, removed: {one.kind}/{one.name}", highlight=False)
    out_console.print(f"{count} entries, {len(damaged)} damaged")
    if damaged:
        raise MeasurementError(
            f"{len(damaged)} of {count} entries of the cache were damaged and are removed. "
            "The next build makes them again."
        )


@app.command("clean")
def cache_clean(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(help="Kinds to remove (see `edgekit cache info`); all without."),
    ] = None,
    older: Annotated[
        float, typer.Option("--older", help="Only what was not used for so many days.")
    ] = 0.0,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Stop at this size of the cache: 500MB, 20GB. Least recently used "
            "results go first.",
        ),
    ] = None,
) -> None:
    """Remove kept results. Items that a build under way has locked stay."""
    removed = upkeep.clean(
        Store(),
        kinds or (),
        older_s=older * _DAY_S,
        limit_bytes=None if keep is None else upkeep.size_of(keep),
    )
    freed = sum(one.size_bytes for one in removed) / 10**6
    out_console.print(f"{len(removed)} removed, {freed:.1f} MB", highlight=False)


@app.command("export")
def cache_export(
    file: Annotated[Path, typer.Argument(help="The tar file to write.")],
) -> None:
    """Write every whole result into a tar file, for another machine."""
    count = upkeep.export(Store(), file)
    out_console.print(f"{count} entries in {file}", highlight=False)


@app.command("import")
def cache_import(
    file: Annotated[Path, typer.Argument(help="A tar file of `edgekit cache export`.")],
) -> None:
    """Take the results of another cache, each verified by its hash."""
    if not file.is_file():
        raise UsageError(f"No file {file}. Write one: edgekit cache export {file}")
    taken, refused = upkeep.take(Store(), file)
    out_console.print(f"{taken} entries taken", highlight=False)
    if refused:
        err_console.print(f"{refused} are damaged, and were left out")
