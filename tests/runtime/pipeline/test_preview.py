"""`edgekit plan` on a small network and two real runtimes: its output, and its page.

The widths are those of several tiles of any processor's kernels: half of them is faster anywhere.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edgekit.cli import app
from edgekit.errors import BudgetInfeasible, OutputError, TargetsFailed

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.features = nn.Linear(64, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        x = self.second(self.first(x).relu()).relu().mean((2, 3))
        return self.head(self.features(x).sort(dim=1).values)


def build():
    torch.manual_seed(0)
    return Net()
"""
TARGETS = ("raspberrypi4", "jetson-orin-nano")


@pytest.fixture
def project(own_project: Path, tmp_path: Path) -> Path:
    """The user's data, a network of its own with an operator that nothing can be cut through."""
    folder = tmp_path / "mine"
    shutil.copytree(own_project, folder)
    (folder / "model.py").write_text(MODEL)
    toml = (folder / "edgekit.toml").read_text()
    toml = toml.replace('weights = "weights.safetensors"\n', "")
    (folder / "edgekit.toml").write_text(toml)
    return folder


def plan(folder: Path, *arguments: str) -> Any:
    targets = [word for name in TARGETS for word in ("--target", name)]
    page = str(folder / "out/plan.html")
    asked = ["plan", *targets, "--project", str(folder), "-o", page, *arguments]
    return CliRunner().invoke(app, asked)


def test_two_targets_side_by_side(project: Path) -> None:
    said = plan(project, "--json", "--quiet")
    assert said.exit_code == 0, said.exception
    found = json.loads(said.stdout)
    assert [one["target"] for one in found] == list(TARGETS)
    assert [one["runtime"] for one in found] == ["litert", "onnxruntime"]
    for one in found:
        assert (one["provenance"], one["unit"]) == ("host", "us")
        assert any(barrier["operator"] == "sort" for barrier in one["barriers"])
        keeps_its_word(one)
    page = (project / "out/plan.html").read_text()
    assert [path.name for path in (project / "out").iterdir()] == ["plan.html"]
    shows_everything(page, found)
    for words in ("Time goes to: ", "Sensitive: ", "sort at ", *TARGETS):
        assert words in plan(project).stdout  # from the costs on disk, in words


def keeps_its_word(one: dict[str, Any]) -> None:
    *ladder, budget = one["points"]
    assert budget["asked"] == "the budget"
    assert budget["speedup"] >= 1.5 * (1 - 1e-6)
    for point in ladder:
        assert point["speedup"] >= float(point["asked"].rstrip("x")) - 0.006
        assert all(row["after"] < row["before"] for row in point["widths"])
    increases = [point["expected_loss_increase"] for point in ladder]
    assert increases == sorted(increases)
    before = sum(row["before"] for row in one["operators"])
    after = sum(row["after"] for row in one["operators"])
    assert before / after == pytest.approx(budget["speedup"])
    cut = {row["group"] for row in budget["widths"]}
    assert cut <= {group["group"] for group in one["groups"]}
    assert all(0 < group["time_fraction"] <= 1 for group in one["groups"])
    assert all(group["loss_increase_at_half"] is not None for group in one["groups"])


def shows_everything(page: str, found: list[dict[str, Any]]) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Expected frontier",
        *(f"{one['target']}: {one['runtime']}, costs host" for one in found),
    ]
    assert page.count('<td class="name">the budget</td>') == len(found)
    assert page.count("What blocks: ") == len(found)
    for one in found:
        for barrier in one["barriers"]:
            what = f"{barrier['operator']} at {barrier['node']}: {barrier['why']}"
            assert what in page
        for group in one["groups"]:
            assert f"<tr><td>{group['group']}</td>" in page
    for number in range(len(found)):
        for plot in (f"operators-{number}", f"senses-{number}"):
            assert f'id="{plot}"' in page


def test_a_page_that_cannot_be_written_is_one_line(project: Path) -> None:
    (project / "out").write_text("a file in the way")
    said = plan(project, "--quiet")
    assert isinstance(said.exception, OutputError)
    assert "Cannot write" in str(said.exception)


def test_a_target_that_fails_loses_no_other(project: Path) -> None:
    toml = (project / "edgekit.toml").read_text()
    toml += (
        '\n[recipe.prune]\ncost_provenance = "estimated"\n'
        f"\n[target.{TARGETS[0]}.budget]\nspeedup = 1e6\n"
    )
    (project / "edgekit.toml").write_text(toml)
    said = plan(project, "--json", "--quiet", "-t", "raspberrypi")
    assert isinstance(said.exception, TargetsFailed)
    assert said.exception.exit_code == BudgetInfeasible.exit_code
    assert str(said.exception).startswith(f"1 of 2 targets failed. {TARGETS[0]}: ")
    [found] = json.loads(said.stdout)
    assert found["target"] == TARGETS[1]
    assert TARGETS[1] in (project / "out/plan.html").read_text()


@pytest.mark.slow
def test_the_next_runtime_is_planned_for_where_the_first_cannot_take_the_network(
    project: Path,
) -> None:
    text = (project / "model.py").read_text()
    sort = "self.head(self.features(x).sort(dim=1).values)"
    volumes = "torch.linalg.det(x[:, :27].reshape(-1, 3, 3, 3))"
    assert sort in text
    (project / "model.py").write_text(
        text.replace(sort, f"self.head(self.features(x)) + {volumes}")
    )
    toml = (project / "edgekit.toml").read_text()
    toml += '\n[recipe.prune]\ncost_provenance = "estimated"\n'
    (project / "edgekit.toml").write_text(toml)
    said = plan(project, "--json", "--quiet")
    assert said.exit_code == 0, said.exception
    found = json.loads(said.stdout)
    assert [one["runtime"] for one in found] == ["onnxruntime", "onnxruntime"]
    left, planned = found[0]["notes"][:2]
    assert (left["kind"], left["name"]) == ("left_out", "litert")
    assert "linalg_det" in left["refusals"][0]["operator"]
    assert planned["kind"] == "planned_runtime"
    assert (planned["runtime"], planned["instead_of"]) == ("onnxruntime", "litert")
    kinds = {note["kind"] for note in found[1]["notes"]}
    assert not {"left_out", "planned_runtime"} & kinds
    page = (project / "out/plan.html").read_text()
    assert "the plan is for onnxruntime instead of litert" in page
