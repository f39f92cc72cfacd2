"""The report's plots, as plotly figures without colors of text or paper.

The page sets those by its own light or dark scheme. A figure without data is `None`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plotly import graph_objects
from plotly.subplots import make_subplots

from edgekit.report import words
from edgekit.runtimes import registry
from edgekit.types import (
    Candidate,
    Evaluation,
    Measurement,
    OperatorRow,
    Precision,
    Report,
    WidthRow,
)

# Okabe and Ito's palette: distinct to the color-blind, visible on white and on black.
COLORS = ("#0072B2", "#CC79A7", "#E69F00", "#009E73", "#D55E00")
SYMBOLS: Mapping[Precision, str] = {
    "fp32": "circle",
    "fp16": "triangle-up",
    "int8": "square",
    "int8-dynamic": "square-open",
    "int8-weights": "triangle-down",
    "int16x8": "diamond",
    "palette4": "diamond-open",
}
BEFORE, AFTER, CHOSEN = "#9AA5B1", "#0072B2", "#D55E00"
MOST_OPERATORS = 200
ROW_PX = 24
LONG = 24
"""Rows beyond which a bar chart scrolls, and so has its axis above."""


def accuracy_latency(report: Report) -> Any | None:
    """Accuracy against median latency: every candidate, the baselines, the accuracy budget."""
    timed = [c for c in report.candidates if c.measurement.latency.p50_ms is not None]
    baselines = [b for b in report.baselines if b.latency.p50_ms is not None]
    if not timed:
        return None
    figure = graph_objects.Figure()
    for baseline in baselines:
        _point(
            figure,
            baseline,
            report.teacher.evaluation,
            name=f"{baseline.artifact} (unpruned)",
            marker={"symbol": "x", "size": 11, "color": _color(baseline.runtime)},
        )
    for candidate in timed:
        artifact = candidate.artifact
        _point(
            figure,
            candidate.measurement,
            candidate.evaluation,
            name=f"{artifact.name}{' (chosen)' if candidate.chosen else ''}",
            marker={
                "symbol": SYMBOLS[artifact.precision or "fp32"],
                "size": 18 if candidate.chosen else 12,
                "color": _color(artifact.runtime),
                "line": {"width": 3 if candidate.chosen else 0, "color": CHOSEN},
            },
        )
    measured = [*baselines, *(c.measurement for c in timed)]
    times = [t for m in measured if (t := m.latency.p50_ms) is not None]
    log = max(times) > 20 * min(times)
    _name_chosen(figure, report.chosen, log=log)
    _budget_line(figure, report)
    figure.update_layout(
        height=460,
        xaxis={
            "title": {
                "text": f"Latency, p50 (ms per inference)<br>{_provenance(timed)}"
            },
            "type": "log" if log else "linear",
            "rangemode": "tozero",
        },
        yaxis=_metric_axis(report.teacher.evaluation),
        legend={"orientation": "h", "y": -0.26, "x": 0},
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
    )
    return figure


def widths(rows: Sequence[WidthRow]) -> Any | None:
    """Units of each group of coupled widths before pruning, and those kept."""
    if not rows:
        return None
    rows = list(reversed(rows))  # plotly draws upwards
    names = [_group_name(row) for row in rows]
    hover = [
        f"{row.group}, {row.kind}<br>{row.after} of {row.before} kept<br>{_wrapped(row.layers)}"
        for row in rows
    ]
    figure = graph_objects.Figure()
    for name, color, values, width in (
        ("before", BEFORE, [r.before for r in rows], 0.8),
        ("kept", AFTER, [r.after for r in rows], 0.45),
    ):
        figure.add_bar(
            y=names,
            x=values,
            name=name,
            width=width,
            orientation="h",
            marker={"color": color, "opacity": 0.55 if name == "before" else 1},
            hovertext=hover,
            hoverinfo="text",
        )
    figure.add_scatter(
        y=names,
        x=[row.before for row in rows],
        text=[f" {row.after} of {row.before}" for row in rows],
        mode="text",
        textposition="middle right",
        showlegend=False,
        hoverinfo="skip",
        cliponaxis=False,
    )
    _bars(figure, len(rows), "Width (channels or units)", barmode="overlay")
    return figure


def operators(rows: Sequence[OperatorRow], unit: str) -> Any | None:
    """Where time goes: each operator's cost before and after, the dearest first."""
    if not rows:
        return None
    ranked = sorted(rows, key=lambda row: row.before, reverse=True)
    shown = list(reversed(ranked[:MOST_OPERATORS]))
    names = _distinct([_shortened(row.name) for row in shown])
    figure = graph_objects.Figure()
    for label, color, values in (
        ("after", AFTER, [row.after for row in shown]),
        ("before", BEFORE, [row.before for row in shown]),
    ):
        figure.add_bar(
            y=names,
            x=values,
            name=label,
            orientation="h",
            marker={"color": color},
            hovertext=[
                f"{row.name}, {row.kind}<br>before {words.figure(row.before, unit)}, "
                f"after {words.figure(row.after, unit)}"
                for row in shown
            ],
            hoverinfo="text",
        )
    _bars(
        figure,
        len(shown),
        f"Cost per inference ({unit}, by the cost table)",
        barmode="group",
    )
    figure.update_layout(legend_traceorder="reversed", height=120 + 34 * len(shown))
    return figure


def distillation(report: Report) -> Any | None:
    """Loss and validation metric by epoch, with the epoch that was kept."""
    if not report.epochs:
        return None
    numbers = [epoch.number for epoch in report.epochs]
    metric = report.student.evaluation.metric
    fractions = all(epoch.is_fraction for epoch in report.epochs)
    factor, unit = (100, " (%)") if fractions else (1, "")
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    for column, name, color, values in (
        (1, "loss", AFTER, [epoch.loss for epoch in report.epochs]),
        (
            2,
            f"validation {metric}",
            "#009E73",
            [factor * e.validation for e in report.epochs],
        ),
    ):
        figure.add_scatter(
            x=numbers,
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": color},
            row=1,
            col=column,
        )
        figure.add_vline(
            x=report.kept_epoch,
            line={"dash": "dot", "color": CHOSEN},
            row=1,
            col=column,
        )
    figure.update_xaxes(title_text="Epoch")
    figure.update_yaxes(title_text="Loss", row=1, col=1)
    figure.update_yaxes(title_text=f"Validation {metric}{unit}", row=1, col=2)
    figure.update_layout(
        height=320, showlegend=False, margin={"l": 60, "r": 20, "t": 20, "b": 50}
    )
    return figure


# --- parts ------------------------------------------------------------------------------------


def _point(
    figure: Any,
    measurement: Measurement,
    evaluation: Evaluation,
    *,
    name: str,
    marker: dict[str, Any],
) -> None:
    latency = measurement.latency
    interval = latency.ci95_ms
    error = None
    if interval is not None and latency.p50_ms is not None:
        error = {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, interval[1] - latency.p50_ms)],
            "arrayminus": [max(0.0, latency.p50_ms - interval[0])],
            "thickness": 1.2,
        }
    figure.add_scatter(
        x=[latency.p50_ms],
        y=[_height(evaluation)],
        name=name,
        mode="markers",
        marker=marker,
        error_x=error,
        hovertext=[
            f"{name}<br>p50 {words.figure(latency.p50_ms, 'ms')}<br>"
            f"{evaluation.metric} {words.metric(evaluation)}<br>{words.timed(measurement)}"
        ],
        hoverinfo="text",
    )


def _height(evaluation: Evaluation) -> float:
    return 100 * evaluation.value if evaluation.is_fraction else evaluation.value


def _metric_axis(evaluation: Evaluation) -> dict[str, Any]:
    unit = " (%)" if evaluation.is_fraction else ""
    lower = "" if evaluation.higher_is_better else ",<br>lower is better"
    return {"title": {"text": f"{words.headed(evaluation.metric)}{unit}{lower}"}}


def _name_chosen(figure: Any, chosen: Candidate | None, *, log: bool) -> None:
    latency_ms = chosen.measurement.latency.p50_ms if chosen else None
    if chosen is None or latency_ms is None:
        return
    figure.add_annotation(
        x=math.log10(latency_ms) if log else latency_ms,  # as plotly places annotations
        y=_height(chosen.evaluation),
        text="chosen",
        font={"color": CHOSEN},
        showarrow=False,
        yshift=-20,
    )


def _budget_line(figure: Any, report: Report) -> None:
    drop = report.budget.accuracy_drop
    if drop is None:
        return
    before = report.teacher.evaluation
    relative = any(candidate.relative_drop for candidate in report.candidates)
    worst = before.worse_by(drop, relative=relative)
    side = "above" if before.higher_is_better else "below"
    figure.add_hline(
        y=_height(replace(before, value=worst)),
        line={"dash": "dash", "color": CHOSEN, "width": 1.5},
        annotation_text=f"budget: choose from {side}",
        annotation_position="bottom right",
    )


def _bars(figure: Any, rows: int, title: str, *, barmode: str) -> None:
    above = rows > LONG
    figure.update_layout(
        barmode=barmode,
        height=120 + ROW_PX * rows,
        xaxis={
            "title": {"text": title},
            "rangemode": "tozero",
            "side": "top" if above else "bottom",
        },
        yaxis={
            "automargin": True,
            "type": "category",
            "range": [-0.5, rows - 0.5],
            "dtick": 1,
        },
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "x": 0,
        },
        margin={"l": 20, "r": 70, "t": 90 if above else 35, "b": 20 if above else 50},
        bargap=0.25,
    )


def _provenance(candidates: Sequence[Candidate]) -> str:
    return ", ".join(
        sorted({words.PROVENANCE[c.measurement.provenance] for c in candidates})
    )


def _color(runtime: str) -> str:
    known = registry.known().get(runtime)
    return known.color if known else "#56B4E9"


def _group_name(row: WidthRow) -> str:
    """The first layer's name; the group's own name keeps two of the same from merging."""
    first = row.layers[0] if row.layers else row.kind
    more = f" +{len(row.layers) - 1}" if len(row.layers) > 1 else ""
    own = "" if row.group == first else f" · {row.group}"
    return f"{_shortened(first)}{more}{own}"


def _shortened(name: str, most: int = 40) -> str:
    return name if len(name) <= most else f"…{name[-most + 1 :]}"


def _wrapped(layers: Sequence[str], most: int = 12) -> str:
    more = f"<br>and {len(layers) - most} more" if len(layers) > most else ""
    return "<br>".join(layers[:most]) + more


def _distinct(names: list[str]) -> list[str]:
    """`names`, numbered where they repeat: bars of one name would be drawn over each other."""
    return [
        f"{name} ({names[:n].count(name) + 1})" if names.count(name) > 1 else name
        for n, name in enumerate(names)
    ]
