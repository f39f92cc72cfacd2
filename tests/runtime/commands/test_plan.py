"""`edgekit plan`: what is written, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.errors import BudgetInfeasible, OutputError, TargetsFailed
from tests.runtime.pipeline.planned import TARGETS, plan


def test_a_page_that_cannot_be_written_is_refused_before_the_plan(
    planned_project: Path,
) -> None:
    (planned_project / "out").write_text("a file in the way")
    (planned_project / "model.py").unlink()
    said = plan(planned_project, "--quiet")
    assert isinstance(said.exception, OutputError)
    assert "Cannot write" in str(said.exception)


def test_a_target_that_fails_loses_no_other(planned_project: Path) -> None:
    toml = (planned_project / "edgekit.toml").read_text()
    toml += (
        '\n[recipe.prune]\ncost_provenance = "estimated"\n'
        f"\n[target.{TARGETS[0]}.budget]\nspeedup = 1e6\n"
    )
    (planned_project / "edgekit.toml").write_text(toml)
    said = plan(planned_project, "--json", "--quiet", "-t", "raspberrypi")
    assert isinstance(said.exception, TargetsFailed)
    assert said.exception.exit_code == BudgetInfeasible.exit_code
    assert str(said.exception).startswith(f"1 of 2 targets failed. {TARGETS[0]}: ")
    [found] = json.loads(said.stdout)
    assert found["target"] == TARGETS[1]
    assert TARGETS[1] in (planned_project / "out/plan.html").read_text()
