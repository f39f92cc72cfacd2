"""A gate's checks in the forms that pipelines read, by the structure that each one publishes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from edgekit.report import gate_forms as forms
from edgekit.types import Check, GateVerdict
from edgekit.types.measurement_notes import Counted, NotMeasured

CHECKS = [
    Check(
        name=name,
        kind="fact",
        now=7,
        before=5,
        verdict=verdict,
        basis=NotMeasured() if verdict == "unproven" else Counted(growth=0.0),
    )
    for name, verdict in (
        ("macs", "pass"),
        ("model_bytes", "fail"),
        ("energy", "inconclusive"),
        ("latency_ms", "unproven"),
    )
]
HOSTILE = "a|`\x07<b>\n.onnx"


def test_junit_counts_what_its_cases_are() -> None:
    root = ElementTree.fromstring(forms.junit("m.onnx", CHECKS))
    [suite] = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped",) * 2):
        assert len(list(suite.iter(tag))) == int(suite.get(count, ""))
    assert len(suite.findall("testcase")) == int(suite.get("tests", "")) == 4
    [failure] = suite.iter("failure")
    assert failure.get("message") == "7 after 5"
    assert ElementTree.fromstring(forms.junit(HOSTILE, CHECKS))


def test_a_summary_begins_with_what_is_wrong_and_keeps_its_table() -> None:
    said = forms.markdown(HOSTILE, CHECKS, "fail").splitlines()
    assert said[0].endswith("`: fail")
    rows = [line for line in said if line.startswith("|")][2:]
    assert [row.split("|")[2].strip() for row in rows] == [
        *("model_bytes", "energy", "latency_ms", "macs"),
    ]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_code_quality_has_what_gitlab_asks_for() -> None:
    found = forms.code_quality("m.onnx", CHECKS)
    assert [one["severity"] for one in found] == ["major", "minor", "info"]
    assert len({one["fingerprint"] for one in found}) == 3
    for one in found:
        assert set(one) >= {"description", "check_name", "fingerprint", "location"}
        assert one["location"] == {"path": "m.onnx", "lines": {"begin": 1}}
    assert found == forms.code_quality("m.onnx", CHECKS), "the same on every run"


def test_sarif_results_name_rules_that_there_are() -> None:
    log = forms.sarif("m.onnx", CHECKS)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] and driver["version"]
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(rules) == len(set(rules)) == 4
    levels: dict[str, GateVerdict] = {
        "error": "fail",
        "warning": "inconclusive",
        "note": "unproven",
    }
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["message"]["text"].startswith(levels[result["level"]])
        [place] = result["locations"]
        assert place["physicalLocation"]["artifactLocation"] == {"uri": "m.onnx"}
