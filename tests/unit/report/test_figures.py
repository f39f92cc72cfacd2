"""Figures of the report."""

import dataclasses

import pytest

from edgekit.report import figures
from tests import reports


@pytest.fixture
def report():
    return reports.report()


def test_the_trade_off_has_every_candidate_and_baseline(report):
    figure = figures.accuracy_latency(report)
    assert [trace.name for trace in figure.data] == [
        "teacher-litert-fp32 (unpruned)",
        "teacher-onnxruntime-fp32 (unpruned)",
        "digits-litert-fp32",
        "digits-litert-int8 (chosen)",
        "digits-onnxruntime-fp32",
        "digits-onnxruntime-int8",
    ]
    chosen = figure.data[3]
    assert (chosen.x[0], chosen.y[0]) == (0.0519, pytest.approx(99.16))
    assert figure.layout.shapes[0].y0 == pytest.approx(98.44)


def test_a_candidate_without_a_latency_is_left_out(report):
    first = report.candidates[0]
    untimed = dataclasses.replace(first.measurement.latency, p50_ms=None, ci95_ms=None)
    lost = dataclasses.replace(
        first, measurement=dataclasses.replace(first.measurement, latency=untimed)
    )
    figure = figures.accuracy_latency(
        dataclasses.replace(report, candidates=(lost, *report.candidates[1:]))
    )
    assert "digits-litert-fp32" not in [trace.name for trace in figure.data]


def test_figures_without_data_are_none():
    bare = reports.bare()
    assert figures.accuracy_latency(bare) is None
    assert figures.widths(bare.widths) is None
    assert figures.operators(bare.operators, "µs") is None
    assert figures.distillation(bare) is None


def test_widths_keep_the_order_of_the_network_from_the_top(report):
    figure = figures.widths(report.widths)
    before, kept, _ = figure.data
    assert list(reversed(before.x)) == [row.before for row in report.widths]
    assert list(reversed(kept.x)) == [row.after for row in report.widths]
    assert before.y[-1] == "stem.conv +1 · g0"


def test_operators_of_one_name_stay_apart(report):
    row = report.operators[0]
    figure = figures.operators([row, row, report.operators[1]], "µs")
    assert len(set(figure.data[0].y)) == 3
