"""`edgekit doctor`."""

from __future__ import annotations

import json

from tests.conftest import Run


def test_doctor_finds_the_runtimes(run: Run) -> None:
    status, out, _ = run("doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    assert status == 0
    assert findings["litert"]["ok"] and findings["torch"]["ok"]
    assert all(one["ok"] or one["fix"] or one["found"] for one in findings.values())
