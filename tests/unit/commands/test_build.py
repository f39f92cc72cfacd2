"""`edgekit build`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run
from tests.unit.test_cli import change


def test_an_impossible_budget_is_refused_before_training(mine: Path, run: Run) -> None:
    change(mine / "edgekit.toml", "= 1.5", "= 1000")
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write('[recipe.prune]\ncost_provenance = "estimated"\n')
    status, _, err = run("build", "--target", "raspberrypi", "--quiet")
    assert status == 1
    assert (
        "speed-up of 1000" in err
        and "the nearest is" in err
        and len(err.strip().splitlines()) == 1
    )
    assert not (mine / "build").exists()
