"""`edgekit explain`, and the ids at the end of errors."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run


def test_an_error_ends_with_the_id_that_explains_it(run: Run, tmp_path: Path) -> None:
    status, _, err = run("build", "-t", "rasberrypi", "-q")
    assert status == 2
    assert err.rstrip().endswith("[E0203]")
    status, out, _ = run("explain", "e0203")
    assert status == 0
    assert "TargetError" in out and "edgekit targets" in out


def test_all_errors_are_listed(run: Run) -> None:
    status, out, _ = run("explain")
    assert status == 0
    assert "E0101  BudgetError" in out.splitlines()
    found = json.loads(run("explain", "--json")[1])
    assert {"id", "kind", "exit_code", "means", "fixes"} == set(found[0])
    assert json.loads(run("explain", "E0601", "--json")[1])["exit_code"] == 6


def test_an_unknown_id_is_refused(run: Run) -> None:
    status, _, err = run("explain", "E9999")
    assert status == 2 and "There is no error 'E9999'" in err
