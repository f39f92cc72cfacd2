"""The report of a search."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from edgekit.pipeline.trials.halving import frontier
from edgekit.report.search_page import HTML, JSON, show, write_report
from edgekit.types.measurement_notes import Throttled
from edgekit.types.search import FailedTrial, SearchReport
from tests.unit.bench.test_gate import measurement
from tests.unit.pipeline.trials.points import point

SETTINGS = ("recipe.distill.learning_rate=0.02", "model.input.shape=[3,16,16]")
POINTS = tuple(
    replace(one, settings=SETTINGS)
    for one in (
        point(0.5, 0.8, trial=1),
        replace(
            point(1.0, 0.9, trial=2),
            measurement=measurement(
                device="local",
                provenance="host",
                invalid=(Throttled(kind="throttled_by_firmware"),),
            ),
        ),
        point(1.5, 0.7),
    )
)
FAILED = FailedTrial(trial=3, settings=SETTINGS, error="<no network>")
REPORT = SearchReport(
    project="digits",
    target="raspberrypi4",
    created="2026-01-01T00:00:00+00:00",
    parameters=("recipe.distill.learning_rate=0.01..0.1", "model.input.shape=a|b"),
    points=POINTS,
    frontier=frontier(POINTS),
    failed=(FAILED,),
)


def test_the_frontier_is_printed_the_fastest_first() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    show(REPORT, console)
    text = console.export_text()
    assert text.index("80.00%") < text.index("90.00%")
    assert "70.00%" not in text, "it is beaten"
    assert "learning_rate" in text and "[3,16,16]" in text
    assert "timed on this machine, not on raspberrypi4 (local), litert 2" in text
    assert text.count("Latency: ") == 1, "both were measured alike"
    assert "Trial 2, 4 epochs: do not quote its latency: the device's firmware" in text
    assert "3 networks of 3 trials, 1 failed" in text


def test_each_machine_that_measured_is_named() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    there = replace(point(0.25, 0.7, trial=4), settings=SETTINGS, machine="bench-2")
    both = (*POINTS, there)
    show(replace(REPORT, points=both, frontier=frontier(both)), console)
    text = console.export_text()
    assert "timed on bench-2, not on raspberrypi4 (local), litert 2" in text
    assert "timed on this machine, not on raspberrypi4 (local), litert 2" in text
    assert text.count("Latency: ") == 2


def test_a_search_without_a_network_is_a_line() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    show(replace(REPORT, points=(), frontier=()), console)
    assert console.export_text().strip() == "0 networks of 0 trials, 1 failed"


def test_both_files_have_every_network(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path / "out")
    document = json.loads((tmp_path / "out" / JSON).read_text())
    assert [one["trial"] for one in document["points"]] == [1, 2, 0]
    assert [one["trial"] for one in document["frontier"]] == [1, 2]
    page = (tmp_path / "out" / HTML).read_text()
    assert "&lt;no network&gt;" in page and "<no network>" not in page
    assert page.count("learning_rate 0.02, shape [3,16,16]") >= 5
    assert 'href="trial-2/epochs-4/report.html"' in page
    assert document["frontier"][1]["bundle"] == "trial-2/epochs-4"
    assert "30 inferences" in document["points"][0]["how"]["latency"]
