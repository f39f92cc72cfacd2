"""The report of a search: `search.json` for programs, `search.html` and a table for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from plotly import graph_objects
from plotly.offline import get_plotlyjs
from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import figures, words
from edgekit.report.html import embedded, environment
from edgekit.report.measurement_words import invalid
from edgekit.report.plan_page import write_page
from edgekit.types.search import SearchPoint, SearchReport

JSON, HTML = "search.json", "search.html"
_LOCAL = "local"


def write_report(report: SearchReport, folder: Path) -> None:
    """Write `search.json` into `folder`, and `search.html` where there is a network.

    Raises `OutputError` where they cannot be written.
    """
    write_page(f"{json.dumps(to_json(report), indent=1)}\n", folder / JSON)
    if report.points:
        write_page(page(report), folder / HTML)


def to_json(report: SearchReport) -> dict[str, Any]:
    """The report as JSON values; each network has the folder of its bundle, and how its latency
    was measured."""
    document: dict[str, Any] = to_jsonable_python(report)
    for name, points in (("points", report.points), ("frontier", report.frontier)):
        for row, one in zip(document[name], points, strict=True):
            row |= {
                "bundle": one.bundle,
                "how": {"latency": words.timed(one.measurement)},
            }
    return document


def page(report: SearchReport) -> str:
    """The page as self-contained HTML."""
    plot = _plot(report)
    return (
        environment()
        .get_template("search.html")
        .render(
            report=report,
            words=words,
            changed=_changed,
            notes=_notes(report, report.points),
            plot=plot,
            plot_data=embedded({"plot": json.loads(plot.to_json())}),
            plotly=Markup(get_plotlyjs()),
        )
    )


def show(report: SearchReport, console: Console) -> None:
    """Print the frontier, the fastest first, and how many networks are behind it."""
    names = [one.partition("=")[0] for one in report.parameters]
    metric = report.points[0].validation.metric if report.points else "metric"
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("Trial", "trained", "p50 ms", metric, "on test", "MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("Artifact", *(name.rpartition(".")[2] for name in names)):
        table.add_column(heading, overflow="fold")
    for one in report.frontier:
        values = _values(one)
        cells = (one.artifact, *(values[name] for name in names))
        table.add_row(*_figures(one), *map(Text, cells))
    if report.frontier:
        console.print(f"Frontier: {metric} on validation samples against latency")
        console.print(table)
    for line in _notes(report, report.frontier):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    trials = len({one.trial for one in report.points})
    failed = f", {len(report.failed)} failed" if report.failed else ""
    console.print(
        f"{len(report.points)} networks of {trials} trials{failed}", highlight=False
    )


def _notes(report: SearchReport, points: Sequence[SearchPoint]) -> list[str]:
    """Where and how latencies were measured, and which of them must not be quoted."""
    found = dict.fromkeys(_where(one, report.target) for one in points)
    doubts = [
        f"Trial {one.trial}, {one.epochs} epochs: do not quote its latency: {why}."
        for one in points
        if (why := invalid(one.measurement))
    ]
    return [*found, *doubts]


def _where(one: SearchPoint, target: str) -> str:
    measured = one.measurement
    place = words.PROVENANCE[measured.provenance]
    if one.machine and measured.device == _LOCAL:
        place = f"timed on {one.machine}"
    if measured.provenance != "device":
        place += f", not on {target}"
    threads = f"{measured.threads} thread{'s' * (measured.threads != 1)}"
    return (
        f"Latency: median of {measured.latency.launches} fresh processes, {place} "
        f"({measured.device}), {measured.runtime} {measured.runtime_version}, {threads}."
    )


def _figures(one: SearchPoint) -> tuple[str, ...]:
    return (
        str(one.trial),
        f"{one.epochs} epoch{'s' * (one.epochs != 1)}",
        words.figure(one.p50_ms),
        one.validation.shown,
        one.evaluation.shown,
        words.figure(one.measurement.size_mb),
    )


def _values(one: SearchPoint) -> dict[str, str]:
    pairs = (setting.partition("=") for setting in one.settings)
    return {key: value for key, _, value in pairs}


def _changed(one: SearchPoint) -> str:
    """The settings in a line, each by the last part of its key."""
    return ", ".join(
        f"{key.rpartition('.')[2]} {value}" for key, value in _values(one).items()
    )


def _plot(report: SearchReport) -> Any:
    """The validation metric against latency: every network, and the frontier as a line."""
    figure = graph_objects.Figure()
    others = [one for one in report.points if one not in report.frontier]
    for number, (name, points, mode) in enumerate(
        (
            ("other networks", others, "markers"),
            ("frontier", report.frontier, "lines+markers"),
        )
    ):
        figure.add_scatter(
            x=[one.p50_ms for one in points],
            y=[one.validation.value for one in points],
            text=[f"trial {one.trial}: {_changed(one)}" for one in points],
            name=name,
            mode=mode,
            marker={"color": figures.COLORS[number], "size": 9},
        )
    metric = report.points[0].validation
    figure.update_layout(
        height=420,
        xaxis={"title": "p50 ms", "rangemode": "tozero"},
        yaxis={
            "title": f"{metric.metric}, validation",
            "tickformat": ".1%" if metric.is_fraction else "",
        },
        margin={"l": 70, "r": 20, "t": 20, "b": 50},
    )
    return figure
