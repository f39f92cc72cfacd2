"""A plan is made for the next form where the exports that it needs cannot be made in the first.

LiteRT has no determinant, and no quantizer finds ranges in samples of NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.api.environment import attached_environment
from edgekit.commands.build import read_request
from edgekit.commands.console import Bars, err_console
from edgekit.config import targets
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.chain import prune_and_distill
from edgekit.pipeline.frontier import Judged
from edgekit.pipeline.iterative import iterative_prune
from edgekit.pipeline.left_out import NotExportable
from edgekit.pipeline.loading import load
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.training import TeacherEnsemble
from edgekit.program.program import Program
from edgekit.types import IOFusion, QuantConfig, QuantResult
from edgekit.types.export_notes import LeftOut, PlannedRuntime
from tests.unit.bench.test_verdict import candidate
from tests.unit.pipeline.points import LOADER

Parts = tuple[BuildRequest, PruningInputs, Program]
MODEL = """
import torch
from torch import nn

def layers():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))

class Volume(nn.Module):
    def forward(self, x):
        return torch.linalg.det(x.reshape(-1, 4, 3, 3))

def volumes():
    return nn.Sequential(nn.Linear(6, 36), Volume(), nn.Linear(4, 3))
"""
PROJECT = """
name = "points"
[model]
source = "model.py:layers"
input = { shape = [6] }
[data]
train = "loader.py:data"
test = "loader.py:data"
[data.preprocess]
scale = 1
[task]
kind = "classification"
[budget]
speedup = 1.0
[recipe.prune]
cost_provenance = "estimated"
precision = "int8"
[recipe.distill]
epochs = 1
[recipe.export]
runtimes = ["litert", "onnxruntime"]
precisions = ["fp32", "int8"]
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("points")
    (folder / "model.py").write_text(MODEL)
    (folder / "loader.py").write_text(LOADER)
    (folder / "edgekit.toml").write_text(PROJECT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(folder / "cache"))
        bars = Bars(err_console, silent=True)
        request = read_request(folder, "raspberrypi4", bars)
        with attached_environment(request, device="local", progress=bars) as env:
            loaded = load(request, env, {})
            runtimes = request.project.recipe.export.runtimes
            assert runtimes
            found = export_baselines(request, env, loaded, runtimes, folder / "made")
            inputs = PruningInputs.of(request, env, loaded, found.artifacts)
            yield request, inputs, loaded.teacher


@pytest.fixture
def unquantized(parts: Parts) -> PruningInputs:
    """As if the calibration data had no numbers."""
    _, inputs, _ = parts
    (drawn,) = inputs.timer.calibration
    nothing = (np.full_like(drawn[:4], np.nan),)
    return replace(inputs, timer=replace(inputs.timer, calibration=nothing))


@pytest.mark.slow
def test_a_network_that_is_not_quantized_is_planned_for_in_fp32(
    parts: Parts, unquantized: PruningInputs, tmp_path: Path
) -> None:
    teachers = TeacherEnsemble(first=parts[2])
    found, _ = iterative_prune(unquantized, teachers, tmp_path)
    assert (found.table.key.runtime, found.table.key.precision) == ("litert", "fp32")
    left = [note for note in found.notes if isinstance(note, LeftOut)]
    assert [one.name for one in left] == ["litert-int8", "onnxruntime-int8"]
    assert {one.refusals[0].cause for one in left} == {"export_failed"}
    assert not any(isinstance(note, PlannedRuntime) for note in found.notes)


@pytest.mark.slow
def test_without_another_form_the_build_ends_in_one_line(
    parts: Parts, unquantized: PruningInputs, tmp_path: Path
) -> None:
    export = replace(unquantized.recipe.export, precisions=("int8",))
    recipe = replace(unquantized.recipe, export=export)
    strict = replace(unquantized, recipe=recipe)
    with pytest.raises(NotExportable) as caught:
        iterative_prune(strict, TeacherEnsemble(first=parts[2]), tmp_path)
    words = str(caught.value)
    assert words.startswith("Nothing of raspberrypi4 can be exported. ")
    assert "litert-int8 failed" in words
    assert "onnxruntime-int8 failed" in words
    assert "\n" not in words


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_a_student_of_the_users_is_planned_for_where_it_can_be_exported(
    parts: Parts, tmp_path: Path
) -> None:
    request, inputs, teacher = parts
    distill = replace(inputs.recipe.distill, student="model.py:volumes")
    own = replace(inputs, recipe=replace(inputs.recipe, distill=distill))
    found, trained = prune_and_distill(request, own, teacher, tmp_path)
    assert found.table.key.runtime == "onnxruntime"
    assert len(found.rounds) == len(trained.epochs) - 1 == 1
    [left] = [note for note in found.notes if isinstance(note, LeftOut)]
    assert (left.name, left.precision) == ("litert", None)
    assert "linalg_det" in str(left.refusals[0].operator)
    assert PlannedRuntime(runtime="onnxruntime", instead_of="litert") in found.notes


def test_the_file_of_the_uncut_network_is_not_made_again(
    parts: Parts, unquantized: PruningInputs, tmp_path: Path
) -> None:
    """Quantizing would fail; a judged file of that form has its speed-up already."""
    int8 = candidate(precision="int8", speedup=2.5)
    artifact = replace(int8.artifact, runtime="litert")
    known = replace(int8, artifact=artifact)
    judged = replace(unquantized, uncut=Judged(candidates=(known,)))
    there = judged.in_form(("litert", "int8"), parts[2], tmp_path)
    assert there.gain == 2.5
    assert there.timer.baseline == replace(artifact, name=f"unpruned-{artifact.name}")
    folded = replace(unquantized.training.samples, folding=IOFusion(classes=3))
    other = replace(judged, training=replace(judged.training, samples=folded))
    for inputs in (unquantized, other):
        with pytest.raises(NotExportable):
            inputs.in_form(("litert", "int8"), parts[2], tmp_path)


def test_plans_for_x86_are_timed_on_the_unsigned_file(
    parts: Parts, tmp_path: Path
) -> None:
    _, inputs, teacher = parts
    unsigned = QuantConfig(activations="unsigned")
    result = QuantResult(
        quant_config=unsigned, accuracy_drop=0.0, allowed=0.0, metric="accuracy",
        samples=9, trials=(),
    )  # fmt: skip
    int8 = candidate(precision="int8", speedup=2.5)
    artifact = replace(
        int8.artifact,
        name="onnxruntime-int8-unsigned",
        runtime="onnxruntime",
        quantized=result,
    )
    judged = Judged(candidates=(replace(int8, artifact=artifact),))
    pc = replace(targets.load("intel-n100"), isa=("avx_vnni",))
    there = replace(inputs, target=pc, uncut=judged).in_form(
        ("onnxruntime", "int8"), teacher, tmp_path
    )
    assert there.timer.variant == ("onnxruntime", "int8", unsigned)
    assert there.gain == 2.5
    assert there.timer.baseline.name == "unpruned-onnxruntime-int8-unsigned"


def test_forms_that_the_device_refuses_are_not_planned_for(parts: Parts) -> None:
    _, inputs, _ = parts
    assert inputs.forms(("int8", "fp32")) == [
        ("litert", "int8"),
        ("onnxruntime", "int8"),
        ("litert", "fp32"),
        ("onnxruntime", "fp32"),
    ]
    refusing = replace(inputs, refused=frozenset({("litert", "int8")}))
    assert refusing.forms(("int8",)) == [("onnxruntime", "int8")]
    assert inputs.forms(("int16x8",)) == [("litert", "int16x8")]
    onnx = replace(inputs, baselines=inputs.baselines[1:])
    assert onnx.forms(("int16x8",)) == [("onnxruntime", "fp32")]
