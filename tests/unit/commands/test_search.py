"""`edgekit search`: refusals, before anything is built."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit import cli
from tests.unit.pipeline import points

SPEEDUP = ("--vary", "budget.speedup=2..4")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--vary", "recipe.distill.epocs=4..8"], "Did you mean 'epochs'?"),
        (["--vary", "recipe.distill.epochs=8..4"], "8 is not below 4"),
        (["--vary", "budget.speedup=2..4", "-q", "-v"], "exclude each other"),
        ([*SPEEDUP, "--engine", "slurm"], "--engine slurm does not search"),
        ([*SPEEDUP, "--jobs", "2"], "--jobs is for trials on a cluster: add --engine"),
        ([*SPEEDUP, "--devices", "d.toml"], "--devices is for trials on a cluster"),
        ([*SPEEDUP, "--address", "auto"], "--address is for builds on a cluster"),
        (
            [*SPEEDUP, "--engine", "ray", "-d", "ssh://pi@pi"],
            "--engine ray and --device exclude each other",
        ),
        ([*SPEEDUP, "--engine", "ray", "--jobs", "0"], "jobs = 0"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    expected: str,
) -> None:
    points.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["edgekit", "search", "-t", "host", *given])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and expected in said.err
    assert not said.out and not (tmp_path / "build").exists()
