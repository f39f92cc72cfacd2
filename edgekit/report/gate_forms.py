"""The checks of a gate in the forms that pipelines read.

JUnit XML, a job summary in Markdown, GitLab's code quality, SARIF 2.1.0. `name` is the
artifact's, as the user wrote it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import edgekit
from edgekit.report import measurement_words as words
from edgekit.types import Check, GateVerdict

_MARKS: dict[GateVerdict, str] = {
    "pass": ":white_check_mark:",
    "fail": ":x:",
    "inconclusive": ":warning:",
    "unproven": ":warning:",
}
_SEVERITY: dict[GateVerdict, str] = {
    "fail": "major",
    "inconclusive": "minor",
    "unproven": "info",
}
_LEVEL: dict[GateVerdict, str] = {
    "fail": "error",
    "inconclusive": "warning",
    "unproven": "note",
}
_SARIF = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)


def junit(name: str, checks: Sequence[Check]) -> str:
    """A test suite with a case for each check: failures, errors for inconclusive ones, skipped
    unproven ones."""
    name = _plain(name)
    counts = {v: sum(one.verdict == v for one in checks) for v in _MARKS}
    totals = {
        "tests": str(len(checks)),
        "failures": str(counts["fail"]),
        "errors": str(counts["inconclusive"]),
        "skipped": str(counts["unproven"]),
    }
    root = ElementTree.Element("testsuites", {"name": "edgekit gate", **totals})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **totals})
    tags: dict[GateVerdict, str] = {
        "fail": "failure",
        "inconclusive": "error",
        "unproven": "skipped",
    }
    for one in checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": name, "name": one.name}
        )
        said = _plain(words.check(one))
        if one.verdict in tags:
            attributes = {"message": said}
            if one.verdict != "unproven":
                attributes["type"] = one.kind
            ElementTree.SubElement(case, tags[one.verdict], attributes)
        else:
            ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + ElementTree.tostring(root, encoding="unicode") + "\n"


def markdown(name: str, checks: Sequence[Check], verdict: GateVerdict) -> str:
    """A job summary: the verdict, then a table, what is wrong first."""
    lines = [
        f"## {_MARKS[verdict]} `{_cell(name)}`: {verdict}",
        "",
        "| | check | why |",
        "|---|---|---|",
    ]
    order = ("fail", "inconclusive", "unproven", "pass")
    for one in sorted(checks, key=lambda one: order.index(one.verdict)):
        lines.append(
            f"| {_MARKS[one.verdict]} {one.verdict} | {_cell(one.name)} | "
            f"{_cell(words.check(one))} |"
        )
    return "\n".join(lines) + "\n"


def code_quality(name: str, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """GitLab's code quality: an issue for each check that does not pass."""
    return [
        {
            "description": f"{one.name}: {words.check(one)}",
            "check_name": f"edgekit-gate-{one.name}",
            "fingerprint": _fingerprint(name, one),
            "severity": _SEVERITY[one.verdict],
            "location": {"path": name, "lines": {"begin": 1}},
        }
        for one in checks
        if one.verdict != "pass"
    ]


def sarif(name: str, checks: Sequence[Check]) -> dict[str, Any]:
    """A SARIF log with a rule for each check, and a result for each that does not pass."""
    results = [
        {
            "ruleId": f"gate/{one.name}",
            "level": _LEVEL[one.verdict],
            "message": {"text": f"{one.verdict}: {words.check(one)}"},
            "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": name}}},
            ],
            "partialFingerprints": {"gate/v1": _fingerprint(name, one)},
        }
        for one in checks
        if one.verdict != "pass"
    ]
    rules = [
        {
            "id": f"gate/{check}",
            "shortDescription": {"text": f"The gate's check {check}"},
        }
        for check in dict.fromkeys(one.name for one in checks)
    ]
    driver = {"name": "EdgeKit", "version": edgekit.__version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}


def _fingerprint(name: str, one: Check) -> str:
    return hashlib.sha256(f"{name}\n{one.name}".encode()).hexdigest()


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _plain(text: str) -> str:
    """The text without what XML 1.0 cannot hold."""
    return "".join(c for c in text if c in "\t\n" or c.isprintable())
