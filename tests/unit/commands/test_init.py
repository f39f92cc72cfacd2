"""`edgekit init`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run


def test_init_then_a_project_that_reads(run: Run, tmp_path: Path) -> None:
    assert run("init", str(tmp_path))[0] == 0
    assert (tmp_path / "edgekit.toml").is_file()
    assert run("init", str(tmp_path))[0] == 2
