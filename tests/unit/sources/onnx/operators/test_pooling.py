"""Pooling and reductions, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.onnx.agreement import Older, agree_old

_OLD: tuple[Older, ...] = (
    ("ReduceMean", 11, {"axes": [-1, 1], "keepdims": 0}, {}),
    ("AveragePool", 10, {"kernel_shape": [3, 3], "pads": [0, 1, 1, 1], "ceil_mode": 1}, {}),
    ("MaxPool", 11, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, {}),
    ("LpPool", 11, {"kernel_shape": [2, 2], "p": 3}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
