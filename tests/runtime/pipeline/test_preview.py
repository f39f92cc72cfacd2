"""`edgekit plan` on a small network and two real runtimes: its output, and its page.

The widths are those of several tiles of any processor's kernels: half of them is faster anywhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.pipeline.planned import TARGETS, plan


@pytest.mark.slow
def test_two_targets_side_by_side(planned_project: Path) -> None:
    said = plan(planned_project, "--json", "--quiet")
    assert said.exit_code == 0, said.exception
    found = json.loads(said.stdout)
    assert [one["target"] for one in found] == list(TARGETS)
    assert [one["runtime"] for one in found] == ["litert", "onnxruntime"]
    for one in found:
        assert (one["provenance"], one["unit"]) == ("host", "us")
        assert any(barrier["operator"] == "sort" for barrier in one["barriers"])
        keeps_its_word(one)
    page = (planned_project / "out/plan.html").read_text()
    assert [path.name for path in (planned_project / "out").iterdir()] == ["plan.html"]
    shows_everything(page, found)
    for words in ("Time goes to: ", "Sensitive: ", "sort at ", *TARGETS):
        assert words in plan(planned_project).stdout  # from the costs on disk, in words


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
    if budget["widths"]:
        assert one["gain"] * before / after == pytest.approx(budget["speedup"])
    else:
        assert before == after
    files = {file["artifact"]: file for file in one["uncut"]}
    assert files[f"{one['runtime']}-fp32"]["speedup"] == 1
    assert f"{one['runtime']}-{one['precision']}" in files
    assert one["gain"] == 1 if one["precision"] == "fp32" else one["gain"] > 1
    bands = [point["outlook"]["expected"] for point in one["points"]]
    assert all(band["low"] <= band["expected"] <= band["high"] for band in bands)
    cut = {row["group"] for row in budget["widths"]}
    assert cut <= {group["group"] for group in one["groups"]}
    assert all(0 < group["time_fraction"] <= 1 for group in one["groups"])
    assert all(group["loss_increase_at_half"] is not None for group in one["groups"])


def shows_everything(page: str, found: list[dict[str, Any]]) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Expected frontier",
        *(
            f"{one['target']}: {one['runtime']} in {one['precision']}, costs host"
            for one in found
        ),
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


@pytest.mark.slow
def test_the_next_runtime_is_planned_for_where_the_first_cannot_take_the_network(
    planned_project: Path,
) -> None:
    text = (planned_project / "model.py").read_text()
    sort = "self.head(self.features(x).sort(dim=1).values)"
    volumes = "torch.linalg.det(x[:, :27].reshape(-1, 3, 3, 3))"
    assert sort in text
    (planned_project / "model.py").write_text(
        text.replace(sort, f"self.head(self.features(x)) + {volumes}")
    )
    toml = (planned_project / "edgekit.toml").read_text()
    toml += '\n[recipe.prune]\ncost_provenance = "estimated"\n'
    (planned_project / "edgekit.toml").write_text(toml)
    said = plan(planned_project, "--json", "--quiet")
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
    page = (planned_project / "out/plan.html").read_text()
    assert "the plan is for onnxruntime instead of litert" in page
