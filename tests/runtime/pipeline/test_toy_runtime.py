"""A runtime of one new folder, outside of EdgeKit: a build names it, and no file is edited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgekit.bench.artifact import artifact_at, opened
from tests.unit.pipeline.points import LOADER

ROOT = Path(__file__).parents[3]
RECORD = """
from edgekit.runtimes.record import Runtime

RECORD = Runtime(
    name="bead-frame", title="Abacus", color="#56B4E9", suffixes=(".beads",),
    recognizes=lambda head: head.startswith(b"BEADS"), precisions=("fp32",),
    package="numpy", module="numpy", install="pip install numpy", extra="abacus",
)
"""
EXPORTER = """
import io

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.types import TensorSpec

STEPS = {"aten.linear.default": "linear", "aten.relu.default": "relu"}


def convert(program, path):
    arrays, steps = {}, []
    for node in program.module.graph.nodes:
        if node.op == "call_function":
            kind = STEPS.get(str(node.target))
            if kind is None:
                raise ArtifactError(f"an abacus has no {node.target}")
            for name, one in zip(("weight", "bias"), node.args[1:]):
                value = program.module.get_parameter(one.target)
                arrays[f"{len(steps)}.{name}"] = value.detach().numpy()
            steps.append(kind)
    with io.BytesIO() as file:
        np.savez(file, steps=np.array(steps), **arrays)
        path.write_bytes(b"BEADS" + file.getvalue())


def write(source, labels, path):
    path.write_bytes(source.read_bytes())


def signature(path):
    with np.load(io.BytesIO(path.read_bytes()[5:])) as file:
        weights = [file[name] for name in file.files if name.endswith("weight")]
    ends = ("x", weights[0].shape[1]), ("y", weights[-1].shape[0])
    return tuple((TensorSpec(name=n, shape=(1, k), dtype="float32"),) for n, k in ends)
"""
AGENT = """
import io
from pathlib import Path

import numpy as np

from ..session import TensorInfo

PACKAGE = "numpy"
DEFAULTS = {}


def version():
    return np.__version__


def load(path, threads, options):
    return Beads(Path(path).read_bytes()[5:])


class Beads:
    def __init__(self, content):
        with np.load(io.BytesIO(content)) as file:
            self.arrays = {name: file[name] for name in file.files}
        weights = [a for name, a in self.arrays.items() if name.endswith("weight")]
        self.inputs = [TensorInfo("x", (1, weights[0].shape[1]), "float32")]
        self.outputs = [TensorInfo("y", (1, weights[-1].shape[0]), "float32")]

    def prepare(self, arrays):
        self.given = np.array(arrays[0])

    def invoke(self):
        value = self.given
        for number, kind in enumerate(self.arrays["steps"]):
            if kind == "relu":
                value = np.maximum(value, 0)
            else:
                weight = self.arrays[f"{number}.weight"]
                value = value @ weight.T + self.arrays[f"{number}.bias"]
        self.made = value

    def read(self):
        return [self.made.copy()]
"""
BOARD = """
description = "A board that counts with beads"
arch = "x86_64"
cpu = "max"
cores = 2
runtimes = ["bead-frame"]
precisions = ["fp32", "int8"]
image = "linux/amd64"
"""
MODEL = """
from torch import nn

def net():
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3))
"""
PROJECT = """
name = "beads"
[model]
source = "model.py:net"
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
accuracy_drop = 0.9
[recipe.prune]
cost_provenance = "estimated"
rounds = 1
iterations = 1
[recipe.distill]
epochs = 1
[recipe.quantize]
qat = "never"
"""


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """The project, with `files` of a plugin and a board beside and in it."""
    own = {"model.py": MODEL, "loader.py": LOADER, "edgekit.toml": PROJECT}
    project = {f"project/{name}": text for name, text in own.items()}
    for name, text in {**files, **project}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "project"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose board has the added runtime alone; beside it, the runtime's one folder."""
    files = {
        "plugin/runtimes/bead_frame/__init__.py": RECORD,
        "plugin/runtimes/bead_frame/exporter.py": EXPORTER,
        "plugin/runtimes/bead_frame/agent.py": AGENT,
        "project/targets/board.toml": BOARD,
    }
    return written(tmp_path, files)


def edgekit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugin = str(folder.parent / "plugin")
    return subprocess.run(
        [sys.executable, "-m", "edgekit", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "EDGEKIT_PLUGINS": plugin},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_build_exports_verifies_measures_and_packs_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = edgekit(project, "build", "-t", "board", "--json", "--yes")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    bundle = project / "build/board"
    assert (bundle / "model.beads").read_bytes().startswith(b"BEADS")
    report = json.loads((bundle / "report.json").read_text())
    [candidate] = report["candidates"]
    assert candidate["artifact"]["name"] == "bead-frame-fp32"
    assert candidate["measurement"]["runtime"] == "bead-frame"
    assert candidate["measurement"]["latency"]["p50_ms"] > 0
    assert candidate["evaluation"]["value"] == report["student"]["evaluation"]["value"]
    [baseline] = report["baselines"]
    assert baseline["artifact"] == "unpruned-bead-frame-fp32"
    assert "bead-frame" in (bundle / "report.html").read_text()
    monkeypatch.setenv("EDGEKIT_PLUGINS", str(project.parent / "plugin"))
    artifact = artifact_at(bundle / "model.beads")
    assert artifact.runtime == "bead-frame"
    opened(artifact)  # in a process that has the packed agent and no other variable
