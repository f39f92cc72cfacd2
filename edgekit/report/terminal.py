"""The report's summary as a terminal shows it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import words
from edgekit.types import Candidate, Measurement, Report, Verdict

_STYLES: dict[Verdict, str] = {
    "fits": "bold green",
    "over": "bold red",
    "unproven": "bold yellow",
}


def summary(report: Report, console: Console) -> None:
    """Print the verdict first, then the budgets, then every candidate and why it lost."""
    style = _STYLES[report.verdict] if report.verdicts else "bold"
    verdict = Text(words.title(report), style=style)
    console.print(
        Text.assemble(verdict, f"  {report.project} for {report.target.name}")
    )
    console.print(Text(words.statement(report)))
    console.print(Text(report.headline, style="bold"))
    if report.verdicts:
        console.print(_budgets(report))
    if report.candidates or report.baselines:
        console.print(_candidates(report))
    for candidate in report.candidates:
        mark = "chosen" if candidate.chosen else "lost"
        console.print(Text(f"{mark}: {candidate.artifact.name}: {candidate.why}"))


def _budgets(report: Report) -> Table:
    table = Table("Budget", "Limit", "Found", "Verdict", "How", title_justify="left")
    for line in report.verdicts:
        table.add_row(
            words.budget_name(line),
            words.budget_limit(line),
            words.budget_value(line),
            Text(line.verdict, style=_STYLES[line.verdict]),
            Text(line.source),
        )
    return table


def _candidates(report: Report) -> Table:
    table = Table("Artefact")
    for heading in (
        "p50 ms",
        "p95 ms",
        "speed-up",
        "accuracy",
        "MiB",
        "peak MiB",
        "mJ",
    ):
        table.add_column(heading, justify="right")
    for baseline in report.baselines:
        table.add_row(
            Text(f"{baseline.artifact} (unpruned)"), *_row(baseline, None), style="dim"
        )
    for candidate in report.candidates:
        name = f"{'* ' if candidate.chosen else ''}{candidate.artifact.name}"
        table.add_row(
            Text(name),
            *_row(candidate.measurement, candidate),
            style="bold" if candidate.chosen else "",
        )
    return table


def _row(measurement: Measurement, candidate: Candidate | None) -> list[str]:
    latency, energy = measurement.latency, measurement.energy
    cells = [
        words.figure(latency.p50_ms),
        words.figure(latency.p95_ms),
        words.figure(candidate.speedup, "x") if candidate else "1x",
        words.share(candidate.evaluation.value) if candidate else words.MISSING,
        words.figure(measurement.size_mb),
        words.figure(measurement.peak_memory_mb),
        words.figure(energy.net_mj if energy.net_mj is not None else energy.gross_mj),
    ]
    return ["–" if cell == words.MISSING else cell for cell in cells]
