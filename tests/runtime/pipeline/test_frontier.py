"""The unpruned network's own frontier in whole builds: what precision gives is not cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgekit.types import Report
from edgekit.types.notes import NothingCut
from tests.runtime import test_tasks

pytestmark = pytest.mark.usefixtures("brief")

ROUNDS = "rounds      = 1\n"
RECIPE = """
[recipe.export]
runtimes   = ["litert"]
precisions = ["fp32", "int8"]

[recipe.prune]
cost_provenance = "estimated"
rounds      = 1

[recipe.bench]
runtime_options_s = 0
"""


def built(
    folder: Path, project: Path, budget: str, recipe: str = "", prune: str = ""
) -> Report:
    shutil.copytree(project, folder / "mine")
    file = folder / "mine/edgekit.toml"
    head, _, tail = file.read_text().partition("[budget]")
    _, heading, rest = tail.partition("\n[")
    own = RECIPE.replace(ROUNDS, ROUNDS + prune)
    text = f"{recipe}{head}[budget]\n{budget}\n{heading}{rest}{own}"
    file.write_text(text.replace("epochs = 4", "epochs = 1"))
    return test_tasks.built(folder / "mine", "raspberrypi4")[0]


def test_a_size_that_int8_keeps_cuts_nothing(own_project: Path, tmp_path: Path) -> None:
    """A file of int8 is a quarter of fp32's: arithmetic, whatever this machine times."""
    fp32_mb = built(tmp_path / "one", own_project, "speedup = 0.1").baselines[0].size_mb
    report = built(tmp_path / "two", own_project, f"size_mb = {0.6 * fp32_mb}")
    assert report.student == report.teacher and report.epochs == ()
    [note] = [one for one in report.notes if isinstance(one, NothingCut)]
    assert note.artifact == "litert-int8"
    assert report.chosen is not None
    assert report.chosen.artifact.name == "litert-int8"
    assert [(p.name, p.artifact) for p in report.frontier] == [
        ("uncut", "litert-fp32"),
        ("uncut", "litert-int8"),
    ]
    assert report.frontier[1].within and not report.frontier[0].within


@pytest.mark.slow
def test_the_fastest_is_cut_all_the_same(own_project: Path, tmp_path: Path) -> None:
    recipe = '[recipe]\nobjective = "fastest"\n'
    report = built(tmp_path, own_project, "latency_ms = 100", recipe)
    assert report.student.parameters < report.teacher.parameters
    assert not any(isinstance(one, NothingCut) for one in report.notes)
    assert report.outlook is not None and report.outlook.expected is not None
    files = [p for p in report.frontier if p.name == "trained 1"]
    assert report.outlook.outcome in [p.evaluation.value for p in files]


@pytest.mark.slow
def test_the_fastest_inside_the_accuracy_is_searched_for(
    own_project: Path, tmp_path: Path
) -> None:
    """Any accuracy is allowed, so each network is followed by a smaller one, to the smallest."""
    recipe = '[recipe]\nobjective = "fastest"\nminutes = 10\n'
    budget = "latency_ms = 100\naccuracy_drop = 0.9"
    report = built(tmp_path, own_project, budget, recipe, "min_keep = 0.5\n")
    trained = {p.name for p in report.frontier if p.name.startswith("trained")}
    assert {"trained 1", "trained 2"} <= trained
    halves = [row for row in report.widths if row.after > (row.before + 1) // 2]
    assert not halves or len(halves) < len(report.widths)
    assert report.verdict == "unproven"
