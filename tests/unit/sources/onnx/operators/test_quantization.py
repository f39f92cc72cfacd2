"""Quantizing and dequantizing against ONNX Runtime: whole, by axis and by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.sources.onnx.operators.quantization import real
from tests.unit.sources.onnx.agreement import agree, drawn
from tests.unit.sources.onnx.models import make

SCALES: dict[str, tuple[Any, Any, dict[str, int]]] = {
    "whole": (np.float32(0.02), np.int8(3), {}),
    "by axis": (np.float32([0.01, 0.02, 0.05, 0.1]), np.int8([0, 3, -3, 9]), {"axis": 1}),
    "by block": (
        np.abs(drawn(3, 2, seed=5)) / 20 + np.float32(0.01),
        np.zeros((3, 2), np.int8),
        {"axis": 1, "block_size": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SCALES)
def test_there_and_back(tmp_path: Path, kind: str) -> None:
    scale, zero, said = SCALES[kind]
    constants = {"s": np.asarray(scale), "z": np.asarray(zero)}
    x = drawn(3, 4)
    node = make("QuantizeLinear", ["x", "s", "z"], ["y"], **said)
    agree(
        tmp_path / "q.onnx", node, {"x": x}, constants, opset=21, kinds={"y": np.int8}
    )
    whole = (drawn(3, 4) * 40).astype(np.int8)
    node = make("DequantizeLinear", ["x", "s", "z"], ["y"], **said)
    agree(tmp_path / "d.onnx", node, {"x": whole}, constants, opset=21)


def test_real_numbers_of_whole_ones_along_an_axis() -> None:
    whole = np.array([[0, 10], [20, 30]], np.uint8)
    scale, zero = np.float32([1, 0.5]), np.array([0, 10], np.uint8)
    assert real(whole, scale, zero, 1).tolist() == [[0, 0], [20, 10]]
    assert real(whole, scale, zero, 0).tolist() == [[0, 10], [5, 10]]
    assert real(whole, np.float32([2]), None, 0).tolist() == [[0, 20], [40, 60]]
