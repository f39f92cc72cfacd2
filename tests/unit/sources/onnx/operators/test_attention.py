"""Fused attention, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.onnx.agreement import Case, agree_fused

_FUSED: tuple[Case, ...] = (
    ("Attention", {"x": (2, 4, 8)}, {"w": (8, 24), "b": (24,)}, {"num_heads": 2}),
    ("Attention", {"x": (2, 4, 8)}, {"w": (8, 24), "b": (24,)},
     {"num_heads": 2, "unidirectional": 1}),
    ("MultiHeadAttention", {"q": (2, 4, 8), "k": (2, 5, 8), "v": (2, 5, 8)}, {},
     {"num_heads": 2}),
    ("MultiHeadAttention", {"q": (2, 4, 8), "k": (2, 5, 8), "v": (2, 5, 8)},
     {"b": (24,)}, {"num_heads": 2, "scale": 0.3}),
)  # fmt: skip


@pytest.mark.parametrize("case", _FUSED, ids=lambda case: case[0])
def test_fused_operators_of_the_runtime(tmp_path: Path, case: Case) -> None:
    agree_fused(tmp_path / "m.onnx", case)
