"""A TFLite file becomes the network that was converted to it: trainable, its batch free."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit import sources
from edgekit.types import ModelSpec
from tests.runtime.sources.tflite.models import DATA, given


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("net-fp32.tflite", 1e-5), ("net-fp16.tflite", 5e-3), ("net-int8.tflite", 0.1)],
)
def test_it_is_the_authors_network_at_any_batch(name: str, tolerance: float) -> None:
    program = sources.load(ModelSpec(source=name), root=DATA)
    assert [spec.shape for spec in program.inputs] == [(3, 16, 16)]
    x, y = given()
    for batch in (1, 3):
        with torch.no_grad():
            found = program.module(x[:batch])
        assert (found - y[:batch]).abs().max() < tolerance
    loss = program.module(x).square().sum()
    loss.backward()
    parameters = list(program.module.parameters())
    assert len(parameters) == 10
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)


def test_files_are_recognized_by_content(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes((DATA / "net-fp32.tflite").read_bytes())
    assert sources.recognized("model", tmp_path) is sources.known()["tflite"]


@pytest.mark.parametrize(
    "name", ["rows-int8.tflite", "attention-fp32.tflite", "small-int16.tflite"]
)
def test_what_tensorflow_s_converter_writes_agrees_with_litert(name: str) -> None:
    """Dilated convolutions of rows; products of sizes; scalars in 16 bits. The load compares."""
    program = sources.load(ModelSpec(source=name), root=DATA)
    assert program.remarks[0].startswith("Checked against LiteRT")
    with torch.no_grad():
        assert program.module(*program.example(3)).std() > 1e-3
