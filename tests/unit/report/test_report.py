import dataclasses
import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from edgekit import report as reporting
from edgekit import types
from edgekit.errors import MeasurementError, OutputError
from edgekit.report import document, words
from edgekit.types.measurement_notes import NoMeter
from edgekit.types.report import NotProven
from tests import reports

SCHEMA = Path(document.__file__).with_name("schema.json")


@pytest.fixture
def report():
    return reports.report()


# --- JSON -------------------------------------------------------------------------------------


def test_the_verdict_and_what_is_unproven_come_first(report):
    made = reporting.to_json(report)
    assert list(made)[:6] == [
        "schema_version",
        "verdict",
        "statement",
        "headline",
        "verdicts",
        "chosen",
    ]
    assert made["verdict"] == "unproven"
    assert made["statement"] == (
        "Unproven: latency, p50 (no raspberrypi4 is attached: this was measured on local, which "
        "proves nothing about the board). Every time here was measured on this machine, not on "
        "raspberrypi4: compare times with each other, and quote none for the device."
    )
    assert made["chosen"] == "digits-litert-int8"


def test_each_figure_states_how_it_was_obtained(report):
    chosen = reporting.to_json(report)["candidates"][1]
    assert chosen["measurement"]["provenance"] == "host"
    assert chosen["how"] == {
        "latency": "timed on this machine (local): 5,120 inferences in 5 fresh processes, "
        "litert 2.3.0, 1 thread",
        "size": "size of the artifact's files",
        "memory": "peak resident memory of the process that ran the artifact",
        "energy": "not measured: no energy meter: the container hides the processor's counter",
        "accuracy": "accuracy of the artifact on litert, 360 evaluation samples",
        "speedup": "unpruned fp32 network over this artifact on litert: paired, interleaved "
        "launches in one run, timed on this machine",
    }


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused_by_name(report, bad):
    broken = dataclasses.replace(report.epochs[3], loss=bad)
    report = dataclasses.replace(report, epochs=(*report.epochs[:3], broken))
    with pytest.raises(MeasurementError, match=r"report.epochs\[3\].loss is (nan|inf)"):
        reporting.to_json(report)


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "not measured"),
        (0.05194, "ms", "0.0519 ms"),
        (2.0, "x", "2.00x"),
        (31.44, "MiB", "31.4 MiB"),
        (163.2, "µs", "163 µs"),
        (23931.0, "µs", "23,931 µs"),
        (0.0, "ms", "0.00 ms"),
    ],
)
def test_figures(value, unit, text):
    assert words.figure(value, unit) == text


def verdict(name, verdict, value=None):
    return types.BudgetVerdict(
        name=name,
        limit=0.01,
        value=value,
        verdict=verdict,
        provenance="host",
        unproven=NotProven(reasons=(NoMeter(detail="because"),))
        if verdict == "unproven"
        else None,
    )


def test_the_statement_states_what_is_over_before_what_is_unproven(report):
    mixed = dataclasses.replace(
        report,
        verdicts=(verdict("latency_ms", "unproven"), verdict("size_mb", "over", 0.02)),
    )
    assert words.statement(mixed).startswith(
        "Over budget: size (0.02, 0.01 allowed: over by 0.01). Unproven: latency, p50 "
        "(because). Every time here"
    )
    assert words.title(mixed) == "Over budget"


def test_the_headline_states_what_is_unproven(report):
    chosen = report.candidates[1]
    assert words.headline(chosen, "raspberrypi4", proven=False) == (
        "digits-litert-int8 is 3.41x as fast as the unpruned network on this machine (local), "
        "litert, and loses 0.28 points of accuracy. Milliseconds on raspberrypi4 are unproven: "
        "none was attached."
    )
    slow = dataclasses.replace(chosen, speedup=0.5)
    assert words.headline(slow, "raspberrypi4", proven=True) == (
        "digits-litert-int8 is not faster than the unpruned network (0.50x) on local, litert, "
        "and loses 0.28 points of accuracy."
    )


def test_why_there_is_no_energy_is_stated_once(report):
    reason = "no energy meter: the container hides the processor's counter"
    [line] = words.unmetered(report)
    assert line.startswith(f"Energy not measured: {reason} (digits-litert-fp32, ")
    assert reporting.to_html(report).count("the container hides") == 1


def unmetered(report, device):
    """The same report where no meter of `device` could be read."""
    energy = types.Energy(
        reasons=(NoMeter(),),
        unreadable=dict.fromkeys(
            ("rapl", "perf", "pi5-pmic", "jetson"), "a long reason"
        ),
    )
    return dataclasses.replace(
        report,
        candidates=tuple(
            dataclasses.replace(
                one,
                measurement=dataclasses.replace(
                    one.measurement, energy=energy, device=device
                ),
            )
            for one in report.candidates
        ),
    )


@pytest.mark.parametrize(
    ("device", "command"),
    [("local", "doctor"), ("ssh://pi@board", "devices probe ssh://pi@board")],
)
def test_meters_that_cannot_be_read_fill_one_line(report, device, command):
    line = (
        "not measured (no meter found: rapl, perf, pi5-pmic, ...); "
        f"`edgekit {command}` lists why"
    )
    without = unmetered(report, device)
    assert f"energy: {line}" in shown(without).splitlines()
    assert words.unmetered(without)[0].startswith(f"Energy {line} (digits-")
    page = reporting.to_html(without)
    assert "a long reason" not in page
    assert page.count("no meter found") == 1


def test_the_reason_of_each_meter_is_a_field_of_the_json(report):
    made = reporting.to_json(unmetered(report, "local"))
    assert made["candidates"][0]["measurement"]["energy"]["unreadable"] == {
        "rapl": "a long reason",
        "perf": "a long reason",
        "pi5-pmic": "a long reason",
        "jetson": "a long reason",
    }


# --- plots ------------------------------------------------------------------------------------


# --- files ------------------------------------------------------------------------------------


def test_a_barrier_is_a_record_in_the_json_and_a_line_on_the_page(report):
    [written] = reporting.to_json(report)["barriers"]
    assert (written["operator"], written["node"]) == ("linear", "classifier")
    assert written["parameters"] == ["classifier.weight"]
    line = "<li>linear at classifier: its outputs are the classes</li>"
    assert line in reporting.to_html(report)


def test_a_file_in_the_way_is_one_line(report, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(
        OutputError, match=r"Cannot write .*report.json \(File exists\)"
    ):
        reporting.write(report, tmp_path / "out")


# --- terminal ---------------------------------------------------------------------------------


def shown(report, width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    reporting.summary(report, console)
    return console.export_text()
