"""Words of the report."""

import dataclasses

import pytest

from edgekit.report import words
from tests import reports
from tests.unit.report.test_report import verdict


@pytest.fixture
def report():
    return reports.report()


def test_a_met_budget_on_the_device_needs_no_caveat(report):
    def on_device(measurement):
        return dataclasses.replace(measurement, provenance="device")

    proven = dataclasses.replace(
        report,
        verdicts=(verdict("accuracy_drop", "fits", 0.005),),
        baselines=tuple(map(on_device, report.baselines)),
        candidates=tuple(
            dataclasses.replace(c, measurement=on_device(c.measurement))
            for c in report.candidates
        ),
    )
    assert words.statement(proven) == "Every budget is met."
    assert words.budget_limit(proven.verdicts[0]) == "at most 1 point"
    assert words.budget_value(proven.verdicts[0]) == "0.50 points"


def test_this_machine_as_target_needs_no_caveat_either(report):
    host = dataclasses.replace(
        report, target=dataclasses.replace(report.target, name="host")
    )
    assert "Every time here" not in words.statement(host)


def test_without_a_budget_nothing_is_claimed():
    assert words.title(reports.bare()) == "No budget set"
    assert words.statement(reports.bare()) == (
        "Without a budget there is nothing to prove. No artifact was chosen."
    )


def test_absences_are_named_with_their_reason(report):
    assert words.absences(report) == [
        "p99 not measured: 270 inferences are too few to bound it (teacher-onnxruntime-fp32, "
        "digits-onnxruntime-fp32, digits-onnxruntime-int8).",
        "peak memory not measured: the system reported no peak for the process "
        "(teacher-onnxruntime-fp32, digits-onnxruntime-fp32, digits-onnxruntime-int8).",
    ]
