"""`edgekit compare`: two measurements side by side, where they may stand side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Json, figure, out_console, plain


def compare(
    one: Annotated[
        Path, typer.Argument(metavar="A", help="A file of `edgekit bench --out`.")
    ],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Json = False,
) -> None:
    """Put two measurements side by side.

    Each is a file of `edgekit bench --out`, a build's report.json, or a history, whose last
    line counts. Rows of different devices, methods or boundaries are refused. Two runs at two
    times give the size of a difference, and not its significance: `edgekit bench A --against B`
    does.
    """
    from edgekit.bench import gate, history
    from edgekit.report.measurement_words import invalid

    a, b = history.read(one), history.read(other)
    gate.refuse_incomparable(a, b)
    x, y = a.measurement, b.measurement
    energy = "energy"
    if "modeled" in (x.energy.method, y.energy.method):
        energy = "modeled energy"
    rows = [
        ("p50", x.latency.p50_ms, y.latency.p50_ms, "ms"),
        ("p95", x.latency.p95_ms, y.latency.p95_ms, "ms"),
        ("load", x.load_ms, y.load_ms, "ms"),
        ("peak memory", x.peak_memory_mb, y.peak_memory_mb, "MB"),
        ("size", x.size_mb, y.size_mb, "MB"),
        ("instructions", x.instructions, y.instructions, ""),
        (f"{energy}, gross", x.energy.gross_mj, y.energy.gross_mj, "mJ"),
        (f"{energy}, net", x.energy.net_mj, y.energy.net_mj, "mJ"),
    ]
    known = [row for row in rows if row[1] is not None or row[2] is not None]
    if as_json:
        found = [
            {
                "name": name,
                "a": mine,
                "b": theirs,
                "unit": unit,
                "ratio": _of(mine, theirs),
            }
            for name, mine, theirs, unit in known
        ]
        print(json.dumps({"a": plain(a), "b": plain(b), "rows": found}, indent=2))
        return
    table = Table(box=None)
    for heading in ("", escape(a.name), escape(b.name), "B / A"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, mine, theirs, unit in known:
        ratio = _of(mine, theirs)
        shown = f"{ratio:.3f}" if ratio is not None else "-"
        table.add_row(name, figure(mine, unit), figure(theirs, unit), shown)
    out_console.print(table)
    for record in (a, b):
        if (why := invalid(record.measurement)) is not None:
            out_console.print(
                f"{escape(record.name)}: {escape(why)}",
                style="yellow",
            )


def _of(mine: float | None, theirs: float | None) -> float | None:
    if mine is None or theirs is None or mine == 0:
        return None
    return theirs / mine
