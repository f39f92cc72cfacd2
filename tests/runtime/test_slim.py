"""Other ways to the same budget, each a real build of the example with few epochs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from edgekit.shipped import shipped
from tests.runtime.test_build import edgekit

RECIPE = """
[recipe.distill]
epochs = 3

[recipe.export]
runtimes   = ["litert"]
precisions = ["fp32"]

[recipe.prune]
"""


def built(folder: Path, recipe: str) -> dict:
    shutil.copytree(shipped("examples/digits"), folder / "digits")
    project = folder / "digits/edgekit.toml"
    text = project.read_text().replace("accuracy_drop = 0.01", "accuracy_drop = 0.05")
    project.write_text(
        text.replace("speedup       = 2.0", "speedup = 2.5") + RECIPE + recipe
    )
    edgekit(folder, "build", "-t", "raspberrypi4", "-p", "digits", "-o", "out", "-q")
    return json.loads((folder / "out/report.json").read_text())


@pytest.mark.slow
def test_two_cuts_with_growing_penalties(tmp_path: Path) -> None:
    report = built(
        tmp_path, 'iterations = 2\nsparsity = "growing"\nsparsity_epochs = 2\n'
    )
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert chosen["speedup"] >= 2.3
    assert len(report["rounds"]) >= 2
    assert report["rounds"][0]["measured_speedup"] < 2.4, "half of the way at first"
    assert any("cut in 2 steps" in note for note in report["notes"])
    student = torch.export.load(str(tmp_path / "out/student.pt2")).module()
    parameters = sum(p.numel() for p in student.parameters())
    assert report["student"]["parameters"] == parameters
    assert report["teacher"]["parameters"] > 2 * parameters
    for row in report["widths"]:
        assert row["after"] <= row["before"]
        for layer in row["layers"]:
            weight = dict(student.named_parameters()).get(f"{layer}.weight")
            assert weight is None or row["after"] in weight.shape


@pytest.mark.slow
def test_one_cut_after_group_lasso(tmp_path: Path) -> None:
    report = built(tmp_path, 'sparsity = "group-lasso"\nsparsity_epochs = 2\n')
    [chosen] = [c for c in report["candidates"] if c["chosen"]]
    assert chosen["speedup"] >= 2.3
    assert report["epochs"][0]["validation"] > 0.2, "cut, and not yet taught"
