"""A runtime that cannot take the network is left out; the build goes on with the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError
from edgekit.export.queues import Failure
from edgekit.export.suspect import suspect
from edgekit.export.verify import Reference, verify
from edgekit.export.workers import export_all
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.processes import below

ROOT = Path(__file__).parents[3]
MODEL = """
import torch
from torch import nn

class Volume(nn.Module):
    def forward(self, x):
        return torch.linalg.det(x.reshape(-1, 4, 3, 3))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 36, 3), nn.ReLU()
        )
        self.volume = Volume()
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.volume(self.stem(x).mean((2, 3))))
"""
LOADER = """
import numpy as np

def data():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 60)
    return draw.normal(y[:, None, None, None], 1, (60, 1, 6, 6)).astype("f4"), y
"""
PROJECT = """
name = "volumes"
[model]
source = "model.py:Net"
input = { shape = [1, 6, 6] }
[data]
train = "loader.py:data"
test = "loader.py:data"
[data.preprocess]
scale = 1
[task]
kind = "classification"
[budget]
speedup = 1.0
accuracy_drop = 0.5
[recipe.prune]
cost_provenance = "estimated"
rounds = 1
iterations = 1
[recipe.distill]
epochs = 1
[recipe.quantize]
qat = "never"
[recipe.export]
runtimes = RUNTIMES
precisions = ["fp32"]
[recipe.bench]
runtime_options_s = 0
"""


def build(
    folder: Path, runtimes: list[str], *more: str
) -> subprocess.CompletedProcess[str]:
    (folder / "model.py").write_text(MODEL)
    (folder / "loader.py").write_text(LOADER)
    project = PROJECT.replace("RUNTIMES", json.dumps(runtimes))
    (folder / "edgekit.toml").write_text(project)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "edgekit",
            "build",
            "-t",
            "raspberrypi",
            "--json",
            "--yes",
            *more,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_first_runtime_is_left_out_with_the_layer_and_the_operator(
    tmp_path: Path,
) -> None:
    done = build(tmp_path, ["litert", "onnxruntime"])
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((tmp_path / "build/raspberrypi/report.json").read_text())
    runtimes = {each["artifact"]["runtime"] for each in report["candidates"]}
    assert runtimes == {"onnxruntime"}
    [out] = [note for note in report["notes"] if note["kind"] == "left_out"]
    assert (out["runtime"], out["precision"]) == ("litert", None)
    [problem] = out["refusals"]
    assert problem["cause"] == "operator_not_exportable"
    assert (
        problem["operator"].startswith("aten") and "linalg_det" in problem["operator"]
    )
    assert (problem["layer"], problem["fix"]) == (
        "volume",
        "rewrite_layer",
    )
    unnamed = {"kind": "weights_unnamed", "source": "model.py:Net"}
    assert unnamed in report["notes"]
    planned = {"runtime": "onnxruntime", "instead_of": "litert"}
    assert {"kind": "planned_runtime", **planned} in report["notes"]
    page = (tmp_path / "build/raspberrypi/report.html").read_text()
    assert (
        "layer &#39;volume&#39; needs it. Write that layer with other operators."
        in page
    )
    assert "the plan is for onnxruntime instead of litert" in page
    again = build(tmp_path, ["litert", "onnxruntime"], "--set", "budget.speedup=1.01")
    assert again.returncode in (0, 1), again.stderr
    assert "litert-fp32: failed before with the same inputs" in again.stderr
    assert "✔ Look for" not in again.stderr
    report = json.loads((tmp_path / "build/raspberrypi/report.json").read_text())
    assert [note for note in report["notes"] if note["kind"] == "left_out"] == [out]


@pytest.mark.slow
def test_without_another_runtime_the_build_ends_in_one_line(tmp_path: Path) -> None:
    done = build(tmp_path, ["litert"])
    assert done.returncode == ArtifactError.exit_code
    assert "Traceback" not in done.stderr
    text = " ".join(done.stderr.split())
    assert "linalg_det" in text
    assert "layer 'volume'" in text
    assert not (tmp_path / "build/raspberrypi").exists()


class Special(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.special = nn.Linear(4, 4), Special()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.special(torch.relu(self.stem(x)))


def linear() -> Program:
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), (InputSpec(shape=(4,)),))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "openvino"])
def test_the_operator_that_fails_alone_is_found(runtime, tmp_path: Path) -> None:
    program = trace(Net(), (InputSpec(shape=(4,)),))
    failures: list[Failure] = []
    made = export_all(
        program,
        [(runtime, "fp32"), (runtime, "fp16")],
        calibration=None,
        folder=tmp_path,
        on_failure=failures.append,
    )
    assert not made
    assert [one.request.precision for one in failures] == ["fp32", "fp16"]
    assert all(one.converting for one in failures)
    # Without the operator's name in the failure every one is tried in turn.
    unnamed = replace(failures[0], error=ArtifactError("it failed"))
    found = suspect(program, unnamed, tmp_path)
    assert found is not None
    assert found.operator == "aten.special_bessel_j0.default"
    assert found.layer == "special"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_processes")
def test_a_crash_takes_one_artifact_with_it(tmp_path: Path) -> None:
    failures: list[Failure] = []
    killed: list[int] = []

    def crash(name: str) -> None:
        for child in below("edgekit.export.worker"):
            if not killed:
                killed.append(child.pid)
                os.kill(child.pid, signal.SIGKILL)

    expected = [("litert", precision) for precision in ("fp32", "fp16", "int8-dynamic")]
    made = export_all(
        linear(),
        expected,
        calibration=None,
        folder=tmp_path,
        on_done=crash,
        on_failure=failures.append,
    )
    # Nothing is lost but what the killed process was making, if it was still at work.
    names = {one.name for one in made} | {one.request.name for one in failures}
    assert names == {"litert-fp32", "litert-fp16", "litert-int8-dynamic"}
    assert len(failures) <= 1
    assert killed
    for one in failures:
        assert "killed" in str(one.error)
        assert not one.converting


def test_a_file_that_is_another_network_is_refused(tmp_path: Path) -> None:
    program = linear()
    [artifact] = export_all(
        program, [("onnxruntime", "fp32")], calibration=None, folder=tmp_path
    )
    right = Reference.of(program)
    verify(artifact, right)
    [output] = right.outputs
    wrong = replace(right, outputs=(output + np.float32(1),))
    with pytest.raises(ArtifactError, match="the file is not the network: 100%"):
        verify(artifact, wrong)
    with pytest.raises(ArtifactError, match=r"gives \[\[1, 4\]\] where"):
        verify(artifact, replace(right, outputs=(output[:, :2],)))
    artifact.files[0].write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"onnxruntime-fp32\.onnx"):
        verify(artifact, right)
