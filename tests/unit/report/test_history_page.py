"""Figures over time, as a page and as a table."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from edgekit.report import history_page
from edgekit.types.evaluation import Score
from edgekit.types.history import ArtifactFigures, HistoryEntry


def entry(label: str, *artifacts: ArtifactFigures) -> HistoryEntry:
    return HistoryEntry(
        label=label, title=f"<b>{label}", created=label, artifacts=artifacts
    )


def figures(
    p50: float | None = 2.0,
    *,
    size: float = 1.0,
    value: float = 0.9,
    machine: str = "a",
    project: str = "p",
    chosen: bool = True,
) -> ArtifactFigures:
    return ArtifactFigures(
        artifact="litert-int8",
        project=project,
        target="host",
        machine=machine,
        chosen=chosen,
        p50_ms=p50,
        size_mb=size,
        score=Score(metric="accuracy", value=value, is_fraction=True),
    )


def test_changes_are_against_the_same_artifact_before() -> None:
    first, second, third = history_page.steps(
        [
            entry("1", figures()),
            entry("2", figures(3.0, size=1.5, value=0.895)),
            entry("3", figures(3.0, size=1.5, value=0.895)),
        ],
        every=False,
    )
    assert (first.latency, first.size, first.score) == ("2.00", "1.00", "90.00 %")
    assert (second.latency, second.size) == ("3.00 (+50.0%)", "1.50 (+50.0%)")
    assert second.score == "89.50 % (-0.50)"
    assert (third.latency, third.score) == ("3.00", "89.50 %")


def test_latencies_of_two_machines_are_not_compared() -> None:
    entries = [entry("1", figures()), entry("2", figures(3.0, machine="b"))]
    found = history_page.steps(entries, every=False)
    assert found[1].latency == "3.00" and history_page.machines(found) == ["a", "b"]
    assert "2 machines" in history_page.history_page("x", found)


def test_artifacts_of_two_projects_are_two_lines() -> None:
    entries = [entry("1", figures()), entry("2", figures(size=9, project="q"))]
    found = history_page.steps(entries, every=False)
    assert [step.name for step in found] == ["litert-int8, p", "litert-int8, q"]
    assert found[1].before is None


def test_artifacts_that_were_not_chosen_are_left_out_unless_asked_for() -> None:
    entries = [entry("1", figures(chosen=False))]
    assert history_page.steps(entries, every=False) == []
    assert len(history_page.steps(entries, every=True)) == 1


def test_the_page_has_a_plot_for_each_figure_and_escapes_names() -> None:
    found = history_page.steps([entry("1", figures(None))], every=False)
    page = history_page.history_page("x</script>", found)
    assert "<b>1" not in page and "x</script>:" not in page
    plots = re.search(r'id="plots">(.*?)</script>', page, re.S)
    assert plots is not None
    made = json.loads(plots[1])
    assert list(made) == ["plot-1", "plot-2"], "nobody measured a latency"
    assert made["plot-1"]["data"][0]["x"] == ["1"]
    assert made["plot-2"]["data"][0]["y"] == [90.0]


def test_the_table_fits_eighty_columns() -> None:
    long = "a/long/folder/of/reports/of/a/release/report.json"
    entries = [entry(long, figures()), entry(f"{long}2", figures(30.0, size=19.5))]
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(history_page.table(history_page.steps(entries, every=False)))
    text = out.getvalue()
    assert "30.0 (+1400%)" in text and "litert-int8" in text
    assert "".join(re.findall(r"^ (\S+) ", text, re.M)).count("report.json") == 2
    assert "accuracy" in text and max(map(len, text.splitlines())) <= 80
