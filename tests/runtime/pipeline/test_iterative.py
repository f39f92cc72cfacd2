"""Other ways to the same budget, each a real build of the example with few epochs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import edgekit as ek
from edgekit.config.resources import shipped
from edgekit.report.note_words import sentence
from edgekit.types import (
    BenchRecipe,
    DistillRecipe,
    ExportRecipe,
    PruneRecipe,
    Report,
    TaskSpec,
)
from edgekit.types.notes import CutInSteps, NothingCut, PrecisionPlanned, UnitsEmptied
from tests.runtime import test_tasks

pytestmark = pytest.mark.usefixtures("brief")

RECIPE = """
[recipe]
objective = "fastest"  # cuts where int8 alone would do

[recipe.export]
runtimes   = ["litert"]
precisions = ["fp32", "int8"]

[recipe.prune]
cost_provenance = "estimated"
rounds      = 1
"""


def built(folder: Path, project: Path, recipe: str, *, start: str = RECIPE) -> Report:
    """The report of a build of a copy of `project` with few epochs and one runtime."""
    shutil.copytree(project, folder / "mine")
    file = folder / "mine/edgekit.toml"
    # Unproven without the board: the plan aims at a speed-up of 2 by estimated costs, and what
    # this machine measures refuses nothing.
    text = file.read_text()
    head, _, tail = text.partition("[budget]")
    _, heading, rest = tail.partition("\n[")
    text = f"{head}[budget]\nlatency_ms = 100\n{heading}{rest}"
    if "[recipe.distill]" not in text:
        text += "\n[recipe.distill]\nepochs = 3\n"
    file.write_text(text + start + recipe)
    report, _ = test_tasks.built(folder / "mine", "raspberrypi4")
    return report


@pytest.mark.slow
def test_two_cuts_with_growing_penalties(tmp_path: Path) -> None:
    recipe = 'iterations = 2\nsparsity = "growing"\nsparsity_epochs = 2\n'
    report = built(tmp_path, shipped("examples/digits"), recipe)
    first, *_, last = report.rounds
    assert first.predicted_speedup < 0.85 * last.predicted_speedup
    assert report.epochs[0].validation > 0.5, "cut, and not yet trained"
    assert CutInSteps(steps=2) in report.notes
    student = torch.export.load(str(tmp_path / "mine/bundle/student.pt2")).module()
    parameters = sum(p.numel() for p in student.parameters())
    assert report.student.parameters == parameters
    assert report.teacher.parameters > 1.5 * parameters
    weights = dict(student.named_parameters())
    for row in report.widths:
        assert row.after <= row.before
        for layer in row.layers:
            weight = weights.get(f"{layer}.weight")
            assert weight is None or row.after in weight.shape


@pytest.mark.slow
def test_one_cut_in_int8_after_group_lasso(own_project: Path, tmp_path: Path) -> None:
    recipe = 'sparsity = "group-lasso"\nsparsity_epochs = 2\nprecision = "int8"\n'
    report = built(tmp_path, own_project, recipe)
    assert UnitsEmptied(method="group-lasso", epochs=2) in report.notes
    [planned] = [n for n in report.notes if isinstance(n, PrecisionPlanned)]
    assert planned.precision == "int8" and planned.gain is not None


@pytest.mark.slow
def test_one_cut_with_the_precision_of_each_operator(
    own_project: Path, tmp_path: Path
) -> None:
    """Timed on this machine: a table of each form, and a file that mixes them."""
    recipe = 'precision = "mixed"\n'
    measured = RECIPE.replace(
        'cost_provenance = "estimated"', 'cost_provenance = "host"'
    )
    report = built(tmp_path, own_project, recipe, start=measured)
    assert report.rounds
    files = [one.artifact.name for one in report.candidates]
    assert "litert-int8-mixed" in files


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["fastest", "most-accurate"])
def test_the_network_itself_ends_where_no_smaller_one_keeps_the_accuracy(
    tmp_path: Path, objective: str
) -> None:
    """Any smaller network misses a little of what the network itself gives, and the speed-up
    that is planned for is nobody's budget."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 3))
    x = torch.randn(256, 8)
    y = network(x).detach()
    bundle = ek.build(
        ek.load(network, example_input=x),
        ek.Data(
            train=(x, y), test=(x, y), task=TaskSpec(kind="regression", metric="r2")
        ),
        target="raspberrypi4",
        budget=ek.Budget(accuracy_drop=1e-6),
        recipe=ek.Recipe(
            objective=objective,
            minutes=0,
            prune=PruneRecipe(cost_provenance="estimated", rounds=1),
            distill=DistillRecipe(epochs=1),
            export=ExportRecipe(runtimes=("litert",), precisions=("fp32",)),
            bench=BenchRecipe(runtime_options_s=0),
        ),
        out=tmp_path / "out",
    )
    report = bundle.report
    assert any(point.name == "trained 1" for point in report.frontier)
    assert report.student == report.teacher and report.verdict == "fits"
    [note] = [one for one in report.notes if isinstance(one, NothingCut)]
    assert note.reason == "none_smaller"
    assert "no smaller network" in sentence(note)
