"""`edgekit build`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edgekit import cli
from tests.unit.test_cli import Run, change


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekit", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def mine(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the user's project to spoil, and the working folder."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    monkeypatch.chdir(folder)
    return folder


def test_an_impossible_budget_is_refused_before_training(mine: Path, run: Run) -> None:
    change(mine / "edgekit.toml", "= 1.5", "= 1000")
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write('[recipe.prune]\ncost_source = "estimated"\n')
    status, _, err = run("build", "--target", "raspberrypi", "--quiet")
    assert status == 1
    assert (
        "speed-up of 1000" in err
        and "the nearest is" in err
        and len(err.strip().splitlines()) == 1
    )
    assert not (mine / "build").exists()
