"""Operators that change a shape, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.onnx.agreement import Older, agree_old

_OLD: tuple[Older, ...] = (
    ("Squeeze", 11, {"axes": [1]}, {}),
    ("Unsqueeze", 11, {"axes": [0, 3]}, {}),
    ("Split", 11, {"axis": 3, "split": [2, 3]}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
