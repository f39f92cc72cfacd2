"""The tables of `benchmarks/quantization.py`: all files, and the choice beside the defaults."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Screen

from benchmarks.results import Row

ALLOWED = 0.005
"""Allowed loss of the metric of a file on validation samples."""
COMPETING = ("fp32", "int8", "int8-unsigned", "int8-weighted", "int8-dynamic")
"""The files that a build makes compete; dynamic int8 where most layers are linear."""


def chosen(rows: Sequence[Row]) -> Row:
    """EdgeKit's choice for one network on one runtime: the fastest that loses little enough.

    As in a build, fp32 always holds, and another by the validation samples.
    """
    holding = [
        row
        for row in rows
        if row["file"] in COMPETING
        and (row["validation_lost"] is None or row["validation_lost"] <= ALLOWED)
    ]
    return min(holding, key=lambda row: row["over_fp32"])


def against_default(rows: Sequence[Row]) -> Row:
    """The choice beside the library's own default recipe, launch by launch."""
    choice = chosen(rows)
    default = next((row for row in rows if row["file"] == "default"), None)
    found = {
        "network": choice["network"],
        "runtime": choice["runtime"],
        "choice": choice["file"],
        "choice_lost": choice["lost"],
        "choice_us": choice["us"],
        "default_lost": None,
        "default_us": None,
        "time_over_default": None,
    }
    if default is None:
        return found
    pairs = zip(choice["ratios"], default["ratios"], strict=True)
    return found | {
        "default_lost": default["lost"],
        "default_us": default["us"],
        "time_over_default": statistics.median(mine / theirs for mine, theirs in pairs),
    }


def grouped(rows: Sequence[Row]) -> Iterator[list[Row]]:
    keys = dict.fromkeys((row["network"], row["runtime"]) for row in rows)
    for key in keys:
        found = [row for row in rows if (row["network"], row["runtime"]) == key]
        if any(row["file"] == "fp32" for row in found):
            yield found


def summarize(rows: Sequence[Row]) -> Mapping[str, Any]:
    return {"against_defaults": [against_default(each) for each in grouped(rows)]}


def show(rows: Sequence[Row]) -> None:
    console = Console(width=120)
    screen = Screen(
        "network", "file", "metric", "lost", "us", "over fp32", "MiB", "why"
    )
    for each in grouped(rows):
        for row in each:
            mark = "* " if row is chosen(each) else ""
            screen.add_row(
                row["network"],
                f"{mark}{row['runtime']}-{row['file']}",
                f"{row['value']:.4f}",
                f"{row['lost'] * 100:+.2f}",
                f"{row['us']:.1f}",
                f"{row['over_fp32']:.2f}x",
                f"{row['size_mb']:.3f}",
                row["why"],
            )
    console.print(screen)
    beside = Screen("network", "runtime", "choice", "lost", "default lost", "time")
    for each in grouped(rows):
        found = against_default(each)
        lost, time = found["default_lost"], found["time_over_default"]
        beside.add_row(
            found["network"],
            found["runtime"],
            found["choice"],
            f"{found['choice_lost'] * 100:+.2f}",
            "failed" if lost is None else f"{lost * 100:+.2f}",
            "–" if time is None else f"{time:.2f}x",
        )
    console.print(beside)
