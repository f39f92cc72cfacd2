"""The page and the tables of `edgekit plan`: expected frontiers side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from markupsafe import Markup
from plotly import graph_objects
from plotly.offline import get_plotlyjs
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgekit import scratch
from edgekit.errors import OutputError
from edgekit.report import figures, words
from edgekit.report.html import embedded, environment
from edgekit.report.note_words import sentence
from edgekit.types import PlanPoint, Preview

_DEAREST = 5
_NAMES = 3


def check_place(path: Path) -> None:
    """Raise `OutputError` where no file can be written at `path`."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder. Name a file with --out.")
        nearest = next(one for one in path.absolute().parents if one.exists())
        with TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_preview(project: str, previews: Sequence[Preview], path: Path) -> None:
    """One self-contained HTML file; raises `OutputError` where it cannot be written."""
    write_page(preview_page(project, previews), path)


def write_page(page: str, path: Path) -> None:
    """The page whole or not at all; raises `OutputError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write(path, page.encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write {path} ({error.strerror}). Name another with --out."
    )


def preview_page(project: str, previews: Sequence[Preview]) -> str:
    """The page as self-contained HTML."""
    plots: dict[str, Any] = {"frontier": frontier(previews)}
    for number, one in enumerate(previews):
        plots[f"operators-{number}"] = figures.operators(
            one.operators, words.COST_UNITS[one.unit]
        )
        plots[f"senses-{number}"] = senses(one)
    return (
        environment()
        .get_template("preview.html")
        .render(
            project=project,
            previews=previews,
            words=words,
            kept=kept,
            accuracy=accuracy,
            basis=basis,
            sentence=sentence,
            plots=plots,
            plot_data=embedded(
                {n: json.loads(f.to_json()) for n, f in plots.items() if f is not None}
            ),
            plotly=Markup(get_plotlyjs()),
        )
    )


def frontier(previews: Sequence[Preview]) -> Any:
    """Expected loss increase against speed-up, a line for each target, the budget marked."""
    figure = graph_objects.Figure()
    for number, one in enumerate(previews):
        *ladder, budget = one.points
        color = figures.COLORS[number % len(figures.COLORS)]
        label = f"{one.target}, {one.runtime} ({one.provenance})"
        figure.add_scatter(
            x=[1.0, *(point.speedup for point in ladder)],
            y=[0.0, *(point.expected_loss_increase for point in ladder)],
            name=label,
            mode="lines+markers",
            line={"color": color},
        )
        figure.add_scatter(
            x=[budget.speedup],
            y=[budget.expected_loss_increase],
            name=f"{one.target}: the budget",
            mode="markers",
            marker={"color": color, "size": 15, "symbol": "star"},
        )
    figure.update_layout(
        height=460,
        xaxis_title="Speed-up by the cost table",
        yaxis_title="Expected loss increase (nats a sample, untrained)",
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
    )
    return figure


def senses(one: Preview) -> Any | None:
    """Damage against fraction of time: groups cut to a half, blocks dropped."""
    groups = [g for g in one.groups if g.loss_increase_at_half is not None]
    if not groups and not one.blocks:
        return None
    figure = graph_objects.Figure()
    figure.add_scatter(
        x=[100 * g.time_fraction for g in groups],
        y=[g.loss_increase_at_half for g in groups],
        text=[f"{g.group} ({g.units})" for g in groups],
        name="group cut to a half",
        mode="markers",
        marker={"size": 11, "color": figures.AFTER},
    )
    figure.add_scatter(
        x=[100 * b.time_fraction for b in one.blocks],
        y=[b.expected_loss_increase for b in one.blocks],
        text=[b.block for b in one.blocks],
        name="block dropped",
        mode="markers",
        marker={"size": 12, "symbol": "square", "color": figures.CHOSEN},
    )
    figure.update_layout(
        height=420,
        xaxis_title="Fraction of the network's time it touches (%)",
        yaxis_title="Damage (nats a sample)",
        yaxis_type="log",
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
    )
    return figure


def show_preview(previews: Sequence[Preview], console: Console) -> None:
    """The frontier, the dearest operators, the most sensitive parts and what blocks, in words."""
    for one in previews:
        bound = "" if one.exact else ", an upper bound"
        table = Table(
            title=f"{one.target}: {one.runtime} in {one.precision}, costs "
            f"{one.provenance}{bound}",
            title_justify="left",
            box=None,
        )
        for heading in (
            "plan for",
            "speed-up",
            "expected accuracy",
            "loss increase",
            "weights",
            "MMACs",
            "act. MiB",
        ):
            table.add_column(
                heading, justify="right" if heading != "plan for" else "left"
            )
        table.add_column("what goes", overflow="fold")
        for file in one.uncut:
            measured = f"{words.metric(file.evaluation)}, measured"
            row = (f"{file.name} {file.artifact}", f"{file.speedup:.2f}x", measured)
            table.add_row(*row, *["–"] * 4, "nothing")
        for point in one.points:
            table.add_row(
                point.asked,
                f"{point.speedup:.2f}x",
                accuracy(point),
                f"{point.expected_loss_increase:.3f}",
                f"{point.parameters:,}",
                f"{point.macs / 1e6:.1f}",
                f"{point.activation_bytes / 2**20:.2f}",
                escape(kept(point)),
            )
        console.print(table)
        total = sum(row.before for row in one.operators)
        dear = sorted(one.operators, key=lambda row: -row.before)[:_DEAREST]
        times = ", ".join(f"{r.name} {100 * r.before / total:.0f} %" for r in dear)
        console.print(f"  Time goes to: {escape(times)}", highlight=False)
        console.print(f"  {escape(basis(one))}", highlight=False)
        console.print(f"  Sensitive: {escape(_sensitive(one))}", highlight=False)
        for line in (*map(words.barrier, one.barriers), *map(sentence, one.notes)):
            console.print(f"  {escape(line)}", style="dim", highlight=False)
        console.print()


def accuracy(point: PlanPoint) -> str:
    """The expected metric and its band, or a dash."""
    found = point.outlook.expected if point.outlook else None
    return "–" if found is None else found.shown


def basis(one: Preview) -> str:
    """The experience behind the expected accuracy of plans, or why there is none."""
    outlook = one.points[-1].outlook
    if outlook is None:
        return "Accuracy: nothing is expected"
    if outlook.expected is None:
        return f"Accuracy: {words.unknown(outlook.unknown)}"
    return (
        f"Accuracy after training, four times of five inside the band: "
        f"{words.experience(outlook.expected)}"
    )


def kept(point: PlanPoint) -> str:
    """Units that leave: blocks, then the groups that lose most, `name 64 > 16`."""
    cuts = sorted(point.widths, key=lambda row: row.after / row.before)
    some = [f"{row.group} {row.before} > {row.after}" for row in cuts[:_NAMES]]
    rest = len(cuts) - len(some)
    more = [f"and {rest} more groups"] if rest > 0 else []
    blocks = [f"block {name}" for name in point.dropped_blocks]
    return "; ".join((*blocks, *some, *more)) or "nothing"


def _sensitive(one: Preview) -> str:
    groups = [
        (g.loss_increase_at_half, g.group)
        for g in one.groups
        if g.loss_increase_at_half
    ]
    blocks = [(b.expected_loss_increase, f"block {b.block}") for b in one.blocks]
    worst = sorted((*groups, *blocks), reverse=True)[:_DEAREST]
    return (
        ", ".join(
            f"{name} {expected_loss_increase:.2f}"
            for expected_loss_increase, name in worst
        )
        or "not measured"
    )
