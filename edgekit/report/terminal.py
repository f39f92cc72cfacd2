"""The report's summary as a terminal shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import words
from edgekit.report.note_words import sentence
from edgekit.report.verdict_words import outcome
from edgekit.types import Candidate, Measurement, Report, Verdict

_STYLES: dict[Verdict, str] = {
    "fits": "bold green",
    "over": "bold red",
    "unproven": "bold yellow",
}


def summary(report: Report, console: Console) -> None:
    """Print the verdict first, then the budgets, then every candidate and why it lost, and what was
    converted and not run."""
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
        console.print(Text(f"{mark}: {candidate.artifact.name}: {outcome(candidate)}"))
    for one in report.converted:
        size = words.figure(one.size_mb, "MiB")
        console.print(Text(f"converted, not run: {one.artifact.name}, {size}"))
    notes = (
        _costs(report),
        _outlook(report),
        _energy(report),
        *(Text(sentence(note)) for note in report.notes),
    )
    for note in filter(None, notes):
        console.print(note, style="dim")


def side_by_side(
    reports: Mapping[str, Report | None], failed: Collection[str]
) -> Table:
    """One line for each target: what was built for it, or that nothing was."""
    headings = ("Target", "Verdict", "Artifact", "speed-up", "lost", "MiB")
    table = Table(*headings, box=SIMPLE_HEAD, pad_edge=False)
    for target, report in reports.items():
        if report is None or report.chosen is None:
            word = "failed" if target in failed else "not built"
            table.add_row(target, Text(word, style="bold red"), *["–"] * 4)
            continue
        chosen = report.chosen
        table.add_row(
            target,
            Text(report.verdict, style=_STYLES[report.verdict]),
            Text(chosen.artifact.name),
            words.figure(chosen.speedup, "x"),
            words.shown_loss_of(chosen),
            words.figure(chosen.measurement.size_mb),
        )
    return table


def _budgets(report: Report) -> Table:
    table = Table(
        "Budget", "Limit", "Found", "Verdict", "How", box=SIMPLE_HEAD, pad_edge=False
    )
    for line in report.verdicts:
        table.add_row(
            words.budget_name(line),
            words.budget_limit(line),
            words.budget_value(line),
            Text(line.verdict, style=_STYLES[line.verdict]),
            Text(line.provenance),
        )
    return table


def _candidates(report: Report) -> Table:
    measurements = [*report.baselines, *(c.measurement for c in report.candidates)]
    metered = any(one.energy.gross_mj is not None for one in measurements)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Artifact", no_wrap=True)
    name = report.teacher.evaluation.metric
    for heading in ("p50 ms", "p95 ms", "speed-up", name, "MiB", "peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    if metered:
        table.add_column("mJ", justify="right", no_wrap=True)
    for baseline in report.baselines:
        cells = _row(baseline, None, metered)
        table.add_row(
            Text(baseline.artifact.removesuffix("-fp32")), *cells, style="dim"
        )
    for candidate in report.candidates:
        table.add_row(
            Text(f"{'* ' if candidate.chosen else ''}{candidate.artifact.name}"),
            *_row(candidate.measurement, candidate, metered),
            style="bold" if candidate.chosen else "",
        )
    return table


def _row(
    measurement: Measurement, candidate: Candidate | None, metered: bool
) -> list[str]:
    latency, energy = measurement.latency, measurement.energy
    cells = [
        words.figure(latency.p50_ms),
        words.figure(latency.p95_ms),
        words.figure(candidate.speedup, "x") if candidate else "1x",
        words.metric(candidate.evaluation) if candidate else words.MISSING,
        words.figure(measurement.size_mb),
        words.figure(measurement.peak_memory_mb),
    ]
    if metered:
        net = energy.net_mj if energy.net_mj is not None else energy.gross_mj
        cells.append(words.figure(net))
    return ["–" if cell == words.MISSING else cell for cell in cells]


def _costs(report: Report) -> Text:
    """Costs of the plan, and their prediction error."""
    text = f"costs: {words.PROVENANCE[report.cost_provenance]}"
    if report.prediction is not None:
        text += (
            f"; {len(report.prediction.networks)} whole networks predicted within "
            f"{report.prediction.error_median:.1%} (median)"
        )
    return Text(text)


def _outlook(report: Report) -> Text | None:
    """The accuracy expected before training, beside the outcome."""
    if report.outlook is None:
        return None
    return Text(f"before training: {words.outlook(report.outlook)}")


def _energy(report: Report) -> Text | None:
    """Why there is no energy, where nothing was metered."""
    measured = [c.measurement for c in report.candidates]
    if not measured or any(one.energy.gross_mj is not None for one in measured):
        return None
    reasons = sorted({words.without_energy(one) for one in measured})
    return Text(f"energy: {'; '.join(reasons)}")
