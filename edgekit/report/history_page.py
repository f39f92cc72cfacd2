"""The page and the table of `edgekit history`: figures of artifacts over commits or builds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from plotly import graph_objects
from plotly.offline import get_plotlyjs
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekit.report import figures, words
from edgekit.report.html import embedded, environment
from edgekit.types.evaluation import Score
from edgekit.types.history import ArtifactFigures, HistoryEntry


@dataclass(frozen=True, kw_only=True)
class Step:
    """One artifact in one entry, beside the same artifact in the entry before that has it."""

    entry: HistoryEntry
    name: str
    """The artifact's, and what else it takes to distinguish it from the others."""
    now: ArtifactFigures
    before: ArtifactFigures | None

    @property
    def latency(self) -> str:
        """The median, and the change where both are of one machine."""
        before = self.before
        there = before is not None and before.machine == self.now.machine
        old = before.p50_ms if there and before is not None else None
        return _with_change(self.now.p50_ms, old)

    @property
    def size(self) -> str:
        """MiB of the artifact's files, and the change."""
        return _with_change(
            self.now.size_mb, self.before.size_mb if self.before else None
        )

    @property
    def score(self) -> str:
        """The metric's value, and the difference from before."""
        now, before = self.now.score, self.before.score if self.before else None
        if now is None:
            return words.MISSING
        scale = 100 if now.is_fraction else 1
        same = before is not None and before.metric == now.metric
        moved = (
            scale * (now.value - before.value) if same and before is not None else 0.0
        )
        return f"{_value(now)} ({moved:+.2f})" if abs(moved) >= 0.005 else _value(now)


def steps(entries: Sequence[HistoryEntry], *, every: bool) -> list[Step]:
    """The chosen artifacts in the order of time, or `every` one."""
    shown = [
        (entry, one)
        for entry in entries
        for one in entry.artifacts
        if every or one.chosen
    ]
    several = [
        part
        for part in ("target", "project")
        if len({getattr(one, part) for _, one in shown}) > 1
    ]
    last: dict[str, ArtifactFigures] = {}
    found = []
    for entry, one in shown:
        more = [getattr(one, part) for part in several]
        name = ", ".join(filter(None, (one.artifact, *more)))
        found.append(Step(entry=entry, name=name, now=one, before=last.get(name)))
        last[name] = one
    return found


def machines(found: Sequence[Step]) -> list[str]:
    """The machines that latencies were measured on, each once."""
    timed = (step.now.machine for step in found if step.now.p50_ms is not None)
    return list(dict.fromkeys(machine for machine in timed if machine))


def history_page(title: str, found: Sequence[Step]) -> str:
    """The page as self-contained HTML."""
    plots = {
        "Median latency (ms)": trend(found, lambda one: one.p50_ms),
        "Size of the files (MiB)": trend(found, lambda one: one.size_mb),
        **{
            _titled(found, name): trend(found, _of_metric(name), zero=False)
            for name in _metrics(found)
        },
    }
    shown = {
        f"plot-{n}": (name, plot)
        for n, (name, plot) in enumerate(plots.items())
        if plot is not None
    }
    return (
        environment()
        .get_template("history.html")
        .render(
            title=title,
            steps=list(reversed(found)),
            plots=shown,
            machines=machines(found),
            plot_data=embedded(
                {n: json.loads(plot.to_json()) for n, (_, plot) in shown.items()}
            ),
            plotly=Markup(get_plotlyjs()),
        )
    )


def trend(
    found: Sequence[Step],
    figure_of: Callable[[ArtifactFigures], float | None],
    *,
    zero: bool = True,
) -> Any | None:
    """A line for each artifact; `None` where no entry has the figure.

    The axis begins at `zero`, or near the figures.
    """
    order = list(dict.fromkeys(step.entry.label for step in found))
    figure = graph_objects.Figure()
    for n, name in enumerate(dict.fromkeys(step.name for step in found)):
        own = [s for s in found if s.name == name and figure_of(s.now) is not None]
        if own:
            figure.add_scatter(
                x=[step.entry.label for step in own],
                y=[figure_of(step.now) for step in own],
                text=[_hover(step) for step in own],
                name=name,
                mode="lines+markers",
                marker={"symbol": n % 8, "size": 9},
                line={"color": figures.COLORS[n % len(figures.COLORS)]},
            )
    if not figure.data:
        return None
    figure.update_layout(
        height=280
        + 20 * len(figure.data),  # a narrow page has a line of legend for each
        xaxis={"type": "category", "categoryorder": "array", "categoryarray": order},
        yaxis={"rangemode": "tozero" if zero else "normal", "automargin": True},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        showlegend=True,
        margin={"l": 50, "r": 20, "t": 20, "b": 40},
    )
    return figure


def table(found: Sequence[Step]) -> Table:
    """One row for each step, the newest last; 80 columns are enough."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("When", "Artifact"):
        made.add_column(heading, overflow="fold")
    metrics = _metrics(found)
    for heading in ("p50 ms", "MiB", metrics[0] if len(metrics) == 1 else "metric"):
        made.add_column(heading, justify="right")
    for step in found:
        label, name = Text(step.entry.label), Text(step.name)
        made.add_row(label, name, step.latency, step.size, step.score)
    return made


def _metrics(found: Sequence[Step]) -> list[str]:
    return sorted({step.now.score.metric for step in found if step.now.score})


def _titled(found: Sequence[Step], metric: str) -> str:
    scores = (step.now.score for step in found if step.now.score)
    percent = any(score.is_fraction for score in scores if score.metric == metric)
    return f"{words.headed(metric)} (%)" if percent else words.headed(metric)


def _of_metric(name: str) -> Callable[[ArtifactFigures], float | None]:
    def value(one: ArtifactFigures) -> float | None:
        if one.score is None or one.score.metric != name:
            return None
        return one.score.value * (100 if one.score.is_fraction else 1)

    return value


def _hover(step: Step) -> str:
    lines: Iterator[str | None] = iter(
        (step.entry.title, step.entry.created, step.now.machine)
    )
    return "<br>".join(line for line in lines if line)


def _value(score: Score) -> str:
    return (
        words.fraction(score.value) if score.is_fraction else words.figure(score.value)
    )


def _with_change(now: float | None, before: float | None) -> str:
    if now is None or before is None or before == 0 or abs(now / before - 1) < 0.001:
        return words.figure(now)
    change = 100 * (now / before - 1)
    digits = 1 if abs(change) < 100 else 0
    return f"{words.figure(now)} ({change:+.{digits}f}%)"
