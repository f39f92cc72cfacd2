import dataclasses
import io
import json
import math
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs
from rich.console import Console

from edgekit import report as reporting
from edgekit import types
from edgekit.errors import MeasurementError, OutputError
from edgekit.report import document, figures, words
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


@pytest.mark.parametrize(
    "made", [reports.report(), reports.bare()], ids=["full", "bare"]
)
def test_every_field_survives_the_round_trip(made):
    text = document.to_text(made)
    again = document.from_json(json.loads(text))
    assert again == made


def test_each_figure_states_how_it_was_obtained(report):
    chosen = reporting.to_json(report)["candidates"][1]
    assert chosen["measurement"]["source"] == "host"
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


def test_a_missing_figure_is_null_and_never_zero(report):
    onnx = reporting.to_json(report)["candidates"][2]["measurement"]
    assert onnx["latency"]["p99_ms"] is None
    assert onnx["peak_memory_mb"] is None
    assert onnx["energy"]["gross_mj"] is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused_by_name(report, bad):
    broken = dataclasses.replace(report.epochs[3], loss=bad)
    report = dataclasses.replace(report, epochs=(*report.epochs[:3], broken))
    with pytest.raises(MeasurementError, match=r"report.epochs\[3\].loss is (nan|inf)"):
        reporting.to_json(report)


def test_the_committed_schema_is_that_of_the_types():
    made = json.dumps(document.schema(), indent=2) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == made, (
        "types.Report has changed: run `python -m edgekit.report.document` and look at "
        "the difference; raise SCHEMA_VERSION where a field was removed or means something else"
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
        source="host",
        unproven=NotProven(reason="because") if verdict == "unproven" else None,
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


def test_a_met_budget_on_the_device_needs_no_caveat(report):
    def on_device(measurement):
        return dataclasses.replace(measurement, source="device")

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


def test_why_there_is_not_a_energy_is_said_once(report):
    reason = "no energy meter: the container hides the processor's counter"
    [line] = words.unmetered(report)
    assert line.startswith(f"Energy not measured: {reason} (digits-litert-fp32, ")
    assert reporting.to_html(report).count("the container hides") == 1


def unmetered(report, device):
    """The same report where no meter of `device` could be read."""
    energy = types.Energy(
        reason=types.NO_METER,
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


# --- files ------------------------------------------------------------------------------------


def test_both_files_are_written_and_the_page_holds_its_own_script(report, tmp_path):
    paths = reporting.write(report, tmp_path / "new")
    assert [path.name for path in paths] == ["report.json", "report.html"]
    assert json.loads(paths[0].read_text()) == reporting.to_json(report)
    page = paths[1].read_text()
    assert get_plotlyjs() in page
    ours = page.replace(get_plotlyjs(), "")
    assert "http" not in ours
    assert len(ours) < 200_000


def test_a_barrier_is_a_record_in_the_json_and_a_line_on_the_page(report):
    [written] = reporting.to_json(report)["barriers"]
    assert (written["operator"], written["node"]) == ("linear", "classifier")
    assert written["parameters"] == ["classifier.weight"]
    line = "<li>linear at classifier: its outputs are the classes</li>"
    assert line in reporting.to_html(report)


def test_names_from_outside_cannot_inject_markup(report):
    evil = "</script><script>alert(1)</script>"
    row = dataclasses.replace(report.operators[0], name=evil)
    page = reporting.to_html(
        dataclasses.replace(report, project=evil, operators=(row,))
    )
    assert evil not in page


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
