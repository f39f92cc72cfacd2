"""`edgekit compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit import cli
from tests.runtime.commands.running import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: exit code, what it printed and what it complained of."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def test_what_is_not_a_measurement_is_named(run: Run, tmp_path: Path) -> None:
    code, _, said = run("compare", tmp_path / "a", tmp_path / "b")
    assert code == 2
    assert "Cannot read" in said
