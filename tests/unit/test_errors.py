"""Errors and their exit codes."""

from __future__ import annotations

import sys

import pytest

from edgekit import cli
from edgekit.errors import EXIT_CODES
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


def test_help_names_every_exit_code(run: Run) -> None:
    status, out, _ = run("build", "--help")
    assert status == 0
    for code in EXIT_CODES:
        assert str(code) in out
