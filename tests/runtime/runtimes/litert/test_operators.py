"""The operators of a TFLite file, with what releases are checked against."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtimes.litert import operators
from tests.runtime.conftest import write_requantizing_tflite, write_tflite


def test_operators_have_their_kind_version_and_tensors(tmp_path: Path) -> None:
    [relu] = operators.read(write_tflite(tmp_path / "relu.tflite").path)
    assert (relu.kind, relu.version, relu.names) == ("RELU", 1, ("y", "x"))
    assert relu.in_float and relu.static
    path = write_requantizing_tflite(tmp_path / "int8.tflite").path
    [requantize] = operators.read(path)
    assert requantize.kind == "QUANTIZE"
    assert not requantize.in_float
