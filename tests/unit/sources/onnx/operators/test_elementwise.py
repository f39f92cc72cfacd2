"""Operators element by element, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.onnx.agreement import Case, Older, agree_fused, agree_old

_FUSED: tuple[Case, ...] = (
    ("Gelu", {"x": (2, 6)}, {}, {}),
    ("QuickGelu", {"x": (2, 6)}, {}, {"alpha": 1.702}),
    ("BiasGelu", {"x": (2, 6)}, {"b": (6,)}, {}),
    ("FastGelu", {"x": (2, 6)}, {"b": (6,)}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _FUSED, ids=lambda case: case[0])
def test_fused_operators_of_the_runtime(tmp_path: Path, case: Case) -> None:
    agree_fused(tmp_path / "m.onnx", case)


_OLD: tuple[Older, ...] = (
    ("Clip", 6, {"min": -0.5, "max": 0.5}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
