"""The contract inside each format: written, read back, and the runtime runs the file as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bench.artifact import artifact_at
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError
from edgekit.evaluate.run import infer
from edgekit.runtimes import contract
from edgekit.types import TensorSpec
from tests.conftest import Run
from tests.runtime.conftest import TinyModel

CONTRACT = {
    "name": "tiny",
    "edgekit": "0.1.0",
    "source_sha256": "ab" * 32,
    "precision": "fp32",
    "inputs": [{"name": "x", "shape": [1, 4], "dtype": "float32", "layout": None}],
    "outputs": [{"name": "y", "shape": [1, 4], "dtype": "float32", "layout": None}],
    "preprocessing": {"scale": 255.0, "mean": [0.5], "std": [0.25], "color": None},
    "labels": ["cat", "naïve dog"],
}


def answers(model: TinyModel) -> np.ndarray:
    from dataclasses import replace

    spec = TensorSpec(name="x", shape=(1, 4), dtype="float32")
    artifact = replace(artifact_at(model.path), inputs=(spec,), outputs=(spec,))
    samples = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    return infer(artifact, samples, LocalDevice())


def test_it_is_read_back_and_the_runtime_runs_the_file(model: TinyModel) -> None:
    assert contract.read(model.path) is None
    before = answers(model)
    contract.embed(model.path, CONTRACT)
    assert contract.read(model.path) == CONTRACT
    np.testing.assert_array_equal(answers(model), before)
    assert [p for p in model.path.parent.iterdir() if "partial" in p.name] == []


def test_a_second_one_takes_its_place(model: TinyModel) -> None:
    contract.embed(model.path, {**CONTRACT, "precision": "int8"})
    once = model.path.read_bytes()
    contract.embed(model.path, CONTRACT)
    contract.embed(model.path, {**CONTRACT, "precision": "int8"})
    assert contract.read(model.path) == {**CONTRACT, "precision": "int8"}
    assert model.path.read_bytes() == once


def test_what_is_not_a_model_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.tflite", "a.xml"):
        (tmp_path / name).write_bytes(b"not a model at all")
        with pytest.raises(ArtifactError):
            contract.read(tmp_path / name)


def field(table: Any, slot: int) -> Any:
    """Where a field of a table lies; 0 where it is left out."""
    return table.Offset(4 + 2 * slot)


def test_tensors_lie_aligned_in_the_file(tflite: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = tflite.read_bytes()
    root = schema.Model.GetRootAs(content, 0)
    places = []
    for number in range(root.BuffersLength()):
        buffer = root.Buffers(number)
        if buffer.DataLength():
            offset = buffer._tab.Offset(4)
            places.append(buffer._tab.Vector(offset))
    assert places
    assert all(place % 16 == 0 for place in places)


def test_inspect_shows_it(onnx_model: TinyModel, run: Run) -> None:
    code, out, _ = run("inspect", onnx_model.path)  # a network, which has no contract
    assert code == 0
    assert "made by EdgeKit" not in out
    contract.embed(onnx_model.path, CONTRACT)
    code, out, _ = run("inspect", onnx_model.path)
    assert code == 0
    assert "input x: 1x4 float32" in out
    assert "mean [0.5], scale 255.0" in out
    code, out, _ = run("inspect", onnx_model.path, "--json")
    assert json.loads(out) == CONTRACT
