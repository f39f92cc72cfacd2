"""The contract of an artifact on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.commands.artifact_contract import contract_of, is_artifact, show_contract
from edgekit.errors import UsageError

CONTRACT = {
    "precision": "int8",
    "edgekit": "0.1.0",
    "source_sha256": "0123456789abcdef",
    "inputs": [
        {"name": "x", "shape": [1, 8, 8, 3], "dtype": "uint8", "layout": "NHWC"}
    ],
    "outputs": [{"name": "y", "shape": [1, 10], "dtype": "float32"}],
    "preprocessing": {"scale": 255.0, "color": None},
    "folded": {"preprocess": {"scale": 255.0}, "postprocess": "softmax"},
    "labels": [f"class {number}" for number in range(10)],
}


def test_inputs_outputs_and_steps_are_shown() -> None:
    text = io.StringIO()
    show_contract("model.tflite", CONTRACT, Console(file=text, width=200))
    shown = text.getvalue()
    assert "model.tflite int8, made by EdgeKit 0.1.0 from 0123456789ab" in shown
    assert "input x: 1x8x8x3 NHWC uint8" in shown
    assert "output y: 1x10 float32" in shown
    assert "preprocessing: scale 255.0\n" in shown
    assert "in the file: preprocessing, softmax" in shown
    assert "10 labels: class 0" in shown and "class 7, ..." in shown


def test_the_tokenizer_of_texts_is_shown() -> None:
    text = io.StringIO()
    own = {
        "tokenizer": "tokenizer.json",
        "sha256": "0123456789abcdef",
        "length": 12,
        "vocabulary": 30522,
        "pair": True,
    }
    console = Console(file=text, width=200)
    show_contract("m.onnx", {**CONTRACT, "text": own}, console)
    said = "12 tokens for each pair of texts, by tokenizer.json of 30522 tokens"
    assert said in text.getvalue()


def test_a_missing_file_and_a_network_are_not_artifacts(tmp_path: Path) -> None:
    assert not is_artifact("model.py:build")
    with pytest.raises(UsageError, match="No file"):
        contract_of(tmp_path / "model.tflite")
