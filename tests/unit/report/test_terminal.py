"""The summary on a terminal."""

import dataclasses

import pytest

from tests import reports
from tests.unit.report.test_report import shown


@pytest.fixture
def report():
    return reports.report()


def test_the_summary_opens_with_the_verdict(report):
    lines = shown(report).splitlines()
    assert lines[0] == "Unproven  digits for raspberrypi4"
    assert lines[1].startswith("Unproven: latency, p50 (no raspberrypi4 is attached")


def test_the_summary_has_every_candidate_with_its_reason(report):
    text = shown(report)
    assert "* digits-litert-int8" in text
    assert (
        "lost: digits-onnxruntime-int8: loses 2.22 points of accuracy, 1.00 allowed"
        in text
    )
    assert "3.41x" in text


def test_brackets_in_names_are_no_markup(report):
    odd = dataclasses.replace(report, headline="[red]layers[0][/red]")
    assert "[red]layers[0][/red]" in shown(odd)


def test_a_bare_summary():
    assert "No artifact was chosen." in shown(reports.bare())
