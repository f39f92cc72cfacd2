"""Tasks other than image classes, from the data to a bundle on a real runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgekit import sources
from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.config.project import load as load_project
from edgekit.devices.local import LocalDevice
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.evaluate.run import infer
from edgekit.package import bundle
from edgekit.pipeline import build
from edgekit.program.program import Program, load
from edgekit.progress import Silent
from edgekit.types import Report
from edgekit.types.data_notes import BaselineIsReference, InputTransposed
from edgekit.types.notes import TrainedWithRounding
from tests import tasks, tasks_of_pictures, tasks_of_tokens

pytestmark = pytest.mark.usefixtures("brief")


def built(root: Path, target: str) -> tuple[Report, dict[str, Any]]:
    bars = Bars(err_console, silent=True)
    request = read_request(root, target, bars)
    with attached_environment(request, device="local", progress=bars) as env:
        report = build.build(request, env, root / "bundle")
    assert bundle.check(root / "bundle") == []
    manifest = json.loads((root / "bundle/manifest.json").read_text())
    return report, manifest["contract"]


@pytest.mark.parametrize(
    ("write", "target", "kind"),
    [
        pytest.param(
            tasks.write_segmentation,
            "raspberrypi4",
            "segmentation",
            marks=pytest.mark.slow,
        ),
        (tasks.write_regression, "raspberrypi4", "regression"),
    ],
)
def test_a_task_is_built(
    tmp_path: Path, write: Callable[[Path], Path], target: str, kind: str
) -> None:
    report, contract = built(write(tmp_path / "project"), target)
    chosen = report.chosen
    assert chosen is not None
    before, after = report.teacher.evaluation, chosen.evaluation
    assert report.student.parameters < report.teacher.parameters
    assert contract["task"] == kind
    if kind == "segmentation":
        assert before.metric == "mean IoU" and before.value > 0.8
        assert chosen.parity.agreement is not None and chosen.parity.agreement > 0.9
        assert contract["labels"] == ["ground", "disc", "box"]
        assert chosen.accuracy_drop == before.value - after.value
        _is_folded(tmp_path / "project", contract)
    elif kind == "regression":
        assert before.metric == "mean absolute error" and not after.higher_is_better
        assert chosen.accuracy_drop == pytest.approx(after.value / before.value - 1)
        assert chosen.relative_drop and chosen.loss_unit == "%"
        assert chosen.parity.agreement is None and chosen.parity.explained > 0.9
        assert not contract["labels"]
    assert report.calibration["strategy"] == "random"


def _is_folded(root: Path, contract: dict[str, Any]) -> None:
    """Bytes in, class numbers out, described in the contract and right by `edgekit diff`."""
    [given], [answer] = contract["inputs"], contract["outputs"]
    assert given["shape"] == [1, 16, 16, 1] and given["layout"] == "NHWC"
    assert given["dtype"] == "uint8" and answer["shape"] == [1, 16, 16]
    left = contract["preprocessing"]
    assert (left["scale"], left["mean"], left["std"]) == (1.0, [0.0], [1.0])
    assert contract["folded"]["preprocess"]["mean"] == [0.4]
    assert contract["folded"]["postprocess"] == "argmax"
    found = diff(
        Question(artifact=root / "bundle", folder=root), LocalDevice(), Silent()
    )
    assert found.agrees and any(
        isinstance(note, InputTransposed) for note in found.notes
    )
    text = (root / "edgekit.toml").read_text()
    (root / "edgekit.toml").write_text(text.replace("mean = [0.4]", "mean = [0.7]"))
    found = diff(
        Question(artifact=root / "bundle", folder=root), LocalDevice(), Silent()
    )
    [said] = found.preprocessing
    assert said.where == "contract" and "mean" in said.faults[0]


@pytest.mark.parametrize(
    ("write", "kind", "metric", "good"),
    [
        pytest.param(
            tasks_of_pictures.write_embedding,
            "embedding",
            "cosine similarity",
            1.0,
            marks=pytest.mark.slow,
        ),
        (tasks_of_pictures.write_detection, "detection", "found", 0.7),
        (
            tasks_of_tokens.write_token_classification,
            "token-classification",
            "token accuracy",
            0.75,
        ),
        pytest.param(
            tasks_of_tokens.write_language_modeling,
            "language-modeling",
            "perplexity",
            2.3,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_outputs_of_every_form_are_built(
    tmp_path: Path, write: Callable[[Path], Path], kind: str, metric: str, good: float
) -> None:
    """Vectors, boxes, tokens: cut, trained, exported, timed, and evaluated by their own
    metric."""
    report, contract = built(write(tmp_path / "project"), "raspberrypi4")
    chosen = report.chosen
    assert chosen is not None
    before, after = report.teacher.evaluation, chosen.evaluation
    assert before.metric == after.metric == metric
    worst = good if before.higher_is_better else -good
    assert (before.value if before.higher_is_better else -before.value) >= worst - 1e-3
    assert report.student.parameters < 0.8 * report.teacher.parameters
    assert report.epochs[-1].loss < report.epochs[0].loss
    assert chosen.accuracy_drop <= 0.1
    assert (contract["task"], contract["labels"]) == (
        kind,
        ["lower", "same", "higher"] if kind == "token-classification" else [],
    )
    tokens = metric in ("token accuracy", "perplexity")
    assert contract["inputs"][0]["dtype"] == ("int64" if tokens else "float32")
    agreed = chosen.parity.agreement if tokens else chosen.parity.explained
    assert agreed is not None and agreed > 0.9
    unlabeled = BaselineIsReference() in report.notes
    assert unlabeled == (kind == "embedding")


@pytest.mark.slow
def test_a_dictionary_of_outputs_is_built_whole(tmp_path: Path) -> None:
    """The task reads one output; the other is cut, trained and exported with it, by name."""
    root = tasks.write_named_segmentation(tmp_path / "project")
    report, contract = built(root, "raspberrypi4")
    chosen = report.chosen
    assert chosen is not None and report.teacher.evaluation.value > 0.8
    assert report.student.parameters < report.teacher.parameters
    assert chosen.accuracy_drop <= 0.1
    outputs = [(one["name"], one["shape"][1:]) for one in contract["outputs"]]
    assert outputs == [("aux", [3, 16, 16]), ("out", [16, 16])]
    program = load(root / "bundle/student.pt2")
    assert (program.outputs, program.reads) == (("aux", "out"), (1,))
    found = diff(
        Question(artifact=root / "bundle", folder=root), LocalDevice(), Silent()
    )
    assert found.agrees and [one.name for one in found.outputs] == ["aux", "out"]
    assert _of_teacher(root, program) > 0.7
    _, again = built(root, "raspberrypi4")  # its student comes from the store
    assert (again["inputs"], again["outputs"]) == (
        contract["inputs"],
        contract["outputs"],
    )
    assert again["reads"] == contract["reads"] == ["out"]


@pytest.mark.slow
def test_a_detector_of_two_outputs_is_built_whole(tmp_path: Path) -> None:
    """From a file of batch 1: its names in every export, and scores that int8 leaves alike."""
    root = tasks_of_pictures.write_apart_detection(tmp_path / "project")
    report, contract = built(root, "raspberrypi4")
    assert report.chosen is not None and report.chosen.accuracy_drop <= 0.1
    assert report.student.parameters < 0.8 * report.teacher.parameters
    assert {verdict.verdict for verdict in report.verdicts} == {"fits"}
    assert contract["reads"] == ["boxes", "scores"]
    student = load(root / "bundle/student.pt2")
    pictures, _ = tasks_of_pictures.things(40, 3)
    with torch.no_grad():
        scores, boxes = student.module(torch.from_numpy(pictures))
    files = {one.artifact.name: one.artifact for one in report.candidates}
    assert {name[-4:] for name in files} >= {"fp32", "int8"}
    for one in files.values():
        assert [each.name for each in one.outputs] == ["scores", "boxes"]
        placed = replace(one, files=tuple(root / "bundle" / f for f in one.files))
        for number, expected in enumerate((scores, boxes)):
            found = infer(placed, pictures, LocalDevice(), (number,))
            like = np.corrcoef(found.ravel(), expected.numpy().ravel())[0, 1]
            assert like > 0.95, (one.name, number)


def _of_teacher(root: Path, student: Program) -> float:
    """Fraction of the variance of the unread output that the student has of its teacher's."""
    project = load_project(root)
    teacher = sources.load(project.model, root=root)
    pictures, _ = tasks.shapes(40, 3)
    x = (torch.from_numpy(pictures)[:, None] / 255 - 0.4) / 0.3
    with torch.no_grad():
        ours, theirs = (one.module(x.float())["aux"] for one in (student, teacher))
    return float(1 - (ours - theirs).square().mean() / theirs.var())


@pytest.mark.slow
def test_int8_that_breaks_the_budget_is_trained_with_its_rounding(
    tmp_path: Path,
) -> None:
    report, _ = built(tasks.write_unbalanced(tmp_path / "project"), "raspberrypi4")
    found = {c.artifact.name: c.evaluation.value for c in report.candidates}
    assert found["litert-int8"] < report.teacher.evaluation.value - tasks.LOST / 2
    assert found["litert-int8-aware"] > found["litert-int8"]
    assert any(isinstance(note, TrainedWithRounding) for note in report.notes)
