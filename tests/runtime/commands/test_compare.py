"""`edgekit compare`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run


def test_what_is_not_a_measurement_is_named(run: Run, tmp_path: Path) -> None:
    code, _, said = run("compare", tmp_path / "a", tmp_path / "b")
    assert code == 2
    assert "Cannot read" in said
