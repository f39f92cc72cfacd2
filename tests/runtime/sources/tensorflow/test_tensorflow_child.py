"""SavedModels converted and run by TensorFlow, where a Python has it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import sources
from edgekit.errors import ModelError
from edgekit.program.program import Program
from edgekit.sources.tensorflow.load import PYTHON
from edgekit.types import ModelSpec

_HERE = importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tf2onnx")
_MAKER = Path(__file__).with_name("make_models.py")

pytestmark = pytest.mark.skipif(
    not (_HERE or os.environ.get(PYTHON)),
    reason=f"needs TensorFlow and tf2onnx, here or in {PYTHON}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved")
    python = os.environ.get(PYTHON) or sys.executable
    subprocess.run([python, str(_MAKER), str(place)], check=True, capture_output=True)
    return place


def load(folder: Path, source: str) -> Program:
    return sources.load(ModelSpec(source=source), root=folder)


@pytest.mark.parametrize("name", ["free", "fixed"])
def test_a_signature_comes_in_with_its_batch_norm_and_a_free_batch(
    folder: Path, name: str
) -> None:
    program = load(folder, name)
    assert program.outputs == ("map", "scores")
    assert [spec.shape for spec in program.inputs] == [(3, 8, 8)]
    norms = program.module.graph.find_nodes(
        op="call_function", target=torch.ops.aten.batch_norm.default
    )
    assert len(list(norms)) == 1
    with torch.no_grad():
        found, scores = program.module(*program.example(5))
    assert (found.shape, scores.shape) == ((5, 4, 4, 4), (5, 5))
    text = " ".join(program.remarks)
    assert "1 of 1 batch norms are kept" in text
    assert "other signatures are left out: logits" in text
    assert "Checked against TensorFlow at batch" in text


def test_a_signature_is_named_behind_the_folder(folder: Path) -> None:
    program = load(folder, "free#logits")
    assert program.outputs == ("rows",)
    with pytest.raises(ModelError, match="its signatures: logits, serving_default"):
        load(folder, "free#other")


def test_a_graph_of_three_nodes_has_its_function_written_out(folder: Path) -> None:
    program = load(folder, "single")
    assert [tuple(p.shape) for p in program.module.parameters()] == [(4, 3, 3, 3)]
    with torch.no_grad():
        assert program.module(*program.example(2)).shape == (2, 4, 8, 8)


def test_a_recurrent_layer_stays_one(folder: Path) -> None:
    program = load(folder, "recurrent")
    lstm = torch.ops.aten.lstm.input
    assert program.module.graph.find_nodes(op="call_function", target=lstm)
    with torch.no_grad():
        assert program.module(*program.example(2)).shape == (2, 7, 6)


def test_what_reaches_files_is_refused_before_it_runs(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"ReadFile .* reaches files"):
        load(folder, "reader")


def test_a_damaged_graph_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    content = (folder / "free" / "saved_model.pb").read_bytes()
    chance = np.random.default_rng(0)
    (tmp_path / "net").mkdir()
    for size in chance.integers(1, len(content) // 2, 2):
        (tmp_path / "net" / "saved_model.pb").write_bytes(content[:size])
        with pytest.raises(ModelError) as caught:
            load(tmp_path, "net")
        assert "\n" not in str(caught.value)


def test_a_silently_wrong_conversion_would_be_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.sources.tensorflow import load as loading

    original = loading.load_onnx

    def wrong(*given: object, **named: object) -> Program:
        program = original(*given, **named)  # type: ignore[arg-type]
        with torch.no_grad():
            next(program.module.parameters()).mul_(1.01)
        return program

    monkeypatch.setattr(loading, "load_onnx", wrong)
    with pytest.raises(ModelError, match="differs from TensorFlow"):
        load(folder, "free#logits")
