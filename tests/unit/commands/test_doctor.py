"""`edgekit doctor`."""

from __future__ import annotations

import json
import sys

import pytest

from edgekit import cli
from tests.unit.test_cli import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_doctor_finds_the_runtimes(run: Run) -> None:
    status, out, _ = run("doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    assert status == 0
    assert findings["litert"]["ok"] and findings["torch"]["ok"]
    assert all(one["ok"] or one["fix"] or one["found"] for one in findings.values())
