"""`edgekit doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run


def test_doctor_finds_the_runtimes(run: Run) -> None:
    status, out, _ = run("doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    assert status == 0
    assert findings["litert"]["ok"] and findings["torch"]["ok"]
    assert all(one["ok"] or one["fix"] or one["found"] for one in findings.values())


def test_doctor_ends_with_an_error_where_nothing_can_be_built(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "file"))
    status, out, err = run("doctor", "--json")
    assert status == 2 and "EDGEKIT_CACHE" in err
    assert json.loads(out), "everything that was found is shown all the same"
