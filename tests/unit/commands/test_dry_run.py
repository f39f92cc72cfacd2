"""`edgekit build --dry-run`: nothing is run, and nothing is left."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.commands import dry_run
from tests.conftest import Run
from tests.unit.test_cli import change
from tests.unit.test_habits import PACKAGE


def tree(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def test_the_first_work_is_named_and_nothing_is_left(mine: Path, run: Run) -> None:
    before = tree(mine)
    status, out, _ = run("build", "-t", "host", "-t", "raspberrypi4", "--dry-run")
    assert status == 0 and tree(mine) == before
    assert "Would build for host into build/host/; budget: speedup = 1.5" in out
    assert out.count("run   Export the unpruned network") == 2


def test_the_result_for_a_program() -> None:
    run = dry_run.DryRun(
        target="host", out=Path("a"), budget={"speedup": 9.0}, kept=("A",), begins=None
    )
    alone = {
        "target": "host",
        "out": "a",
        "budget": {"speedup": 9.0},
        "kept": ["A"],
        "begins": None,
    }
    assert json.loads(dry_run.as_json([run])) == alone
    assert json.loads(dry_run.as_json([run, run])) == [alone, alone]
    screen = io.StringIO()
    dry_run.show(run, Console(file=screen, width=80))
    assert "Nothing would be run: the last bundle is copied" in screen.getvalue()


def test_a_mistake_is_found_without_a_build(mine: Path, run: Run) -> None:
    change(mine / "edgekit.toml", "[3, 16, 16]", "[16, 16, 3]")
    status, out, err = run("build", "-t", "host", "--dry-run")
    assert (status, out) == (2, "") and "Try [3, 16, 16]" in err


def test_looks_are_steps_of_the_pipeline() -> None:
    text = "".join(path.read_text() for path in (PACKAGE / "pipeline").glob("*.py"))
    text += "".join(path.read_text() for path in (PACKAGE / "api").glob("*.py"))
    assert [title for title in dry_run.LOOKS if f'"{title}"' not in text] == []


def test_a_step_that_is_no_look_ends_it() -> None:
    looking = dry_run.Looking(Console(quiet=True), silent=True)
    with looking.step(dry_run.LOOKS[0]) as step:
        step.update(1, 1)
    with pytest.raises(dry_run.WorkBegins, match="Distill"), looking.step("Distill"):
        pytest.fail("work was done")
