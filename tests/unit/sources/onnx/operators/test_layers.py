"""Layers that have weights, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sources.onnx.agreement import Case, Older, agree_fused, agree_old, drawn

_FUSED: tuple[Case, ...] = (
    ("FusedMatMul", {"x": (2, 3, 4), "z": (2, 3, 5)}, {}, {"transA": 1, "alpha": 0.5}),
    ("FusedMatMul", {"x": (2, 3, 4)}, {"w": (5, 4)}, {"transB": 1}),
    ("FusedConv", {"x": (2, 3, 8, 8)}, {"w": (4, 3, 3, 3), "b": (4,)},
     {"activation": "Relu", "pads": [1, 1, 1, 1]}),
    ("FusedConv", {"x": (2, 3, 8, 8)}, {"w": (4, 3, 3, 3), "b": (4,)},
     {"activation": "LeakyRelu", "activation_params": [0.2], "strides": [2, 2]}),
    ("FusedGemm", {"x": (2, 3)}, {"w": (3, 4), "b": (4,)}, {"activation": "Relu"}),
    ("SkipLayerNormalization", {"x": (2, 3, 8), "s": (2, 3, 8)},
     {"g": (8,), "b": (8,), "k": (8,)}, {"epsilon": 1e-5}),
    ("SkipSimplifiedLayerNormalization", {"x": (2, 3, 8), "s": (2, 3, 8)},
     {"g": (8,)}, {"epsilon": 1e-5}),
)  # fmt: skip


@pytest.mark.parametrize("case", _FUSED, ids=lambda case: case[0])
def test_fused_operators_of_the_runtime(tmp_path: Path, case: Case) -> None:
    agree_fused(tmp_path / "m.onnx", case)


_OLD: tuple[Older, ...] = (
    ("Softmax", 11, {"axis": 1}, {}),
    ("LogSoftmax", 7, {"axis": 2}, {}),
    ("Einsum", 12, {"equation": "nchw,c->nhw"}, {"w": drawn(1, seed=4)}),
    ("LRN", 13, {"size": 3, "alpha": 0.1, "beta": 0.7, "bias": 2.0}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
