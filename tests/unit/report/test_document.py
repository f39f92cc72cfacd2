"""The report as JSON."""

import json

import pytest

from edgekit import report as reporting
from edgekit.report import document
from tests import reports
from tests.unit.report.test_report import SCHEMA


@pytest.fixture
def report():
    return reports.report()


@pytest.mark.parametrize(
    "made", [reports.report(), reports.bare()], ids=["full", "bare"]
)
def test_every_field_survives_the_round_trip(made):
    text = document.to_text(made)
    again = document.from_json(json.loads(text))
    assert again == made


def test_a_missing_figure_is_null_and_never_zero(report):
    onnx = reporting.to_json(report)["candidates"][2]["measurement"]
    assert onnx["latency"]["p99_ms"] is None
    assert onnx["peak_memory_mb"] is None
    assert onnx["energy"]["gross_mj"] is None


def test_the_committed_schema_is_that_of_the_types():
    made = json.dumps(document.schema(), indent=2) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == made, (
        "types.Report has changed: run `python -m edgekit.report.document` and look at "
        "the difference; raise REPORT_SCHEMA where a field was removed or means something else"
    )


def test_the_schema_has_every_key(report):
    schema = document.schema()
    made = reporting.to_json(report)
    assert set(made) == set(schema["properties"]) == set(schema["required"])
    definitions = schema["$defs"]
    candidate = made["candidates"][0]
    assert set(candidate) == set(definitions["Candidate"]["properties"])
    assert set(made["baselines"][0]) == set(definitions["Measurement"]["properties"])
    assert set(made["student"]) == set(definitions["NetworkSummary"]["properties"])
