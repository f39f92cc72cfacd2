"""`edgekit init`."""

from __future__ import annotations

import sys
from pathlib import Path

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


def test_init_then_a_project_that_reads(run: Run, tmp_path: Path) -> None:
    assert run("init", str(tmp_path))[0] == 0
    assert (tmp_path / "edgekit.toml").is_file()
    assert run("init", str(tmp_path))[0] == 2
