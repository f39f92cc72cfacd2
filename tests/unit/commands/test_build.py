"""`edgekit build`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import UsageError
from edgekit.package import of_build
from edgekit.package.docker import RECORD
from edgekit.package.docker.engine import CLIENT
from tests.conftest import Run
from tests.unit.test_cli import change


@pytest.mark.usefixtures("brief")
def test_an_impossible_budget_is_refused_before_training(mine: Path, run: Run) -> None:
    change(mine / "edgekit.toml", "= 1.5", "= 1000")
    with (mine / "edgekit.toml").open("a") as toml:
        toml.write('[recipe.prune]\ncost_provenance = "estimated"\n')
        toml.write('[recipe.export]\nruntimes = ["litert"]\nprecisions = ["fp32"]\n')
    status, _, err = run("build", "--target", "raspberrypi", "--quiet")
    assert status == 1
    assert (
        "speed-up of 1000" in err
        and "the nearest is" in err
        and len(err.strip().splitlines()) == 1
    )
    assert not (mine / "build").exists()
    settings = ("--set", "budget.speedup=1.3")
    status, out, _ = run("build", "-t", "raspberrypi", "--dry-run", *settings)
    assert status == 0 and not (mine / "build").exists()
    assert "kept  Export the unpruned network" in out, "the refused build made it"
    assert "  run   " in out and "run   Export the unpruned" not in out


def test_a_machine_that_cannot_package_refuses_before_the_build(
    mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLIENT, "/nonexistent/docker")
    status, _, err = run("build", "--target", "raspberrypi", "--image", "--quiet")
    assert status == 3
    assert "no docker command" in err and len(err.strip().splitlines()) == 1
    assert not (mine / "build").exists()


def test_the_option_of_a_build_names_the_kind_that_has_it() -> None:
    assert of_build("image") is RECORD
    with pytest.raises(UsageError, match="made by --box"):
        of_build("box")
