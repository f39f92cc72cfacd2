"""A cut network means the same on every runtime; `benchmarks/coverage.py` does the whole zoo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.export.workers import Variant, export_all
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.program import program as programs
from edgekit.types import InputSpec
from tests.runtime.export.apart import runs
from tests.zoo.exactness import outputs, random_plan
from tests.zoo.models import ZOO

ROOT = Path(__file__).parents[2]
VARIANTS: list[Variant] = [
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("litert", "fp32"),
]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("shufflenet_v2", marks=pytest.mark.slow),
        pytest.param("yolo_like", marks=pytest.mark.slow),
        "gqa_encoder",
    ],
)
def test_a_cut_network_is_saved_reloaded_exported_and_agrees(
    name: str, tmp_path: Path
) -> None:
    entry = ZOO[name]
    graph = analyze(entry.program())
    shrink(graph, random_plan(graph.groups, 0.3)).save(tmp_path / "cut.pt2")
    cut = programs.load(tmp_path / "cut.pt2")
    sample = entry.sample(batch=1)
    np.savez(tmp_path / "inputs.npz", *(tensor.numpy() for tensor in sample))
    expected = [tensor.numpy() for tensor in outputs(cut, sample)]
    np.savez(tmp_path / "expected.npz", *expected)
    variants = VARIANTS
    if not runs("openvino", "int8-weights"):
        # Where oneDNN alone is limited, OpenVINO's own attention ends its process too.
        variants = [each for each in VARIANTS if each[0] != "openvino"]
    for artifact in export_all(cut, variants, calibration=None, folder=tmp_path):
        assert run(artifact.runtime, artifact.files[0], tmp_path) < 1e-4


class OneKeyValueHead(nn.Module):
    """Three query heads over a single key-value head, as whole and as small as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(16, 24)
        self.key, self.value = nn.Linear(16, 8), nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        query = self.query(x).view(batch, length, 3, 8).transpose(1, 2)
        key, value = (
            make(x)
            .view(batch, length, 1, 8)
            .transpose(1, 2)
            .repeat_interleave(3, dim=1)
            for make in (self.key, self.value)
        )
        return nn.functional.scaled_dot_product_attention(query, key, value)


def test_litert_repeats_the_only_key_value_head(tmp_path: Path) -> None:
    """A cut can leave one head; LiteRT's own converter repeats it wrongly."""
    network = programs.trace(OneKeyValueHead(), (InputSpec(shape=(5, 16)),))
    sample = network.example(1)
    np.savez(tmp_path / "inputs.npz", *(tensor.numpy() for tensor in sample))
    expected = [tensor.numpy() for tensor in outputs(network, sample)]
    np.savez(tmp_path / "expected.npz", *expected)
    (made,) = export_all(network, VARIANTS[2:], calibration=None, folder=tmp_path)
    assert run(made.runtime, made.files[0], tmp_path) < 1e-4


def run(runtime: str, file: Path, folder: Path) -> float:
    """Relative error, from a process of its own: runtimes disturb each other."""
    words = ("-m", "benchmarks.coverage_run", runtime, str(file), str(folder))
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout.splitlines()[-1])["relative_error"])
