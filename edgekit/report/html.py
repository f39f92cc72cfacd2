"""`report.html`: one file that opens anywhere, without a network."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from edgekit.report import figures, measurement_words, verdict_words, words
from edgekit.report.note_words import sentence
from edgekit.types import Report


def to_html(report: Report) -> str:
    """The page: verdict and what is unproven first, then plots, then every figure."""
    plots = {
        "tradeoff": figures.accuracy_latency(report),
        "widths": figures.widths(report.widths),
        "operators": figures.operators(
            report.operators, words.COST_UNITS[report.cost_unit]
        ),
        "distillation": figures.distillation(report),
    }
    return (
        environment()
        .get_template("template.html")
        .render(
            report=report,
            words=words,
            verdicts=verdict_words,
            measurements=measurement_words,
            notes=[*map(sentence, report.notes), *report.target.notes],
            plots=plots,
            plot_data=embedded(
                {n: json.loads(f.to_json()) for n, f in plots.items() if f is not None}
            ),
            plotly=Markup(
                get_plotlyjs()
            ),  # our own dependency's text, already safe in a script
            most_operators=figures.MOST_OPERATORS,
            total_before=sum(row.before for row in report.operators),
            total_after=sum(row.after for row in report.operators),
        )
    )


def environment() -> Environment:
    """Templates of this folder."""
    return Environment(
        loader=PackageLoader("edgekit.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embedded(value: Any) -> Markup:
    """JSON for a script element, where `</` would end it."""
    text = json.dumps(value, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
