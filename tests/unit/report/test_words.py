"""Words of the report."""

import dataclasses
from dataclasses import replace

import pytest

from edgekit.report import words
from edgekit.types import AccuracyOutlook, AccuracyUnknown, ExpectedAccuracy
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


EXPECTED = ExpectedAccuracy(
    metric="accuracy",
    is_fraction=True,
    expected=0.983,
    low=0.951,
    high=0.989,
    trained=0,
    own=0,
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            AccuracyOutlook(expected=EXPECTED),
            "expected accuracy 98.30% (95.10% to 98.90%), by a prior alone",
        ),
        (
            AccuracyOutlook(expected=replace(EXPECTED, trained=3, own=1), outcome=0.96),
            "expected accuracy 98.30% (95.10% to 98.90%), by 3 trained before, 1 of this one; "
            "96.00% found, inside the band",
        ),
        (
            AccuracyOutlook(expected=replace(EXPECTED, trained=2), outcome=0.9),
            "expected accuracy 98.30% (95.10% to 98.90%), by 2 trained before; 90.00% found, "
            "outside of the band",
        ),
        (
            AccuracyOutlook(
                expected=None,
                unknown=AccuracyUnknown(reason="damage_not_measured"),
                outcome=0.9,
            ),
            "no accuracy can be expected: no cut was tried; 90.00% found",
        ),
        (
            AccuracyOutlook(
                expected=None, unknown=AccuracyUnknown(reason="metric_without_scale")
            ),
            "no accuracy can be expected: losses of its metric have no scale that networks "
            "share",
        ),
    ],
)
def test_what_was_expected_is_beside_what_came_of_it(
    found: AccuracyOutlook, said: str
) -> None:
    assert words.outlook(found) == said
