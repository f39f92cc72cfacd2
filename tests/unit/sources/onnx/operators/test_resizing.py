"""Resize and its kin against ONNX Runtime, in every mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from tests.unit.sources.onnx.agreement import Older, agree, agree_old, drawn

_SCALES = {"scales": [(1, 1, 2, 2), (1, 1, 0.6, 0.7), (1, 1, 1.3, 2.6)],
           "sizes": [(2, 3, 5, 20), (2, 3, 1, 4), (2, 3, 14, 18)]}  # fmt: skip


_WAYS = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")


_MODES: tuple[dict[str, Any], ...] = (
    *({"mode": "nearest", "nearest_mode": m} for m in
      ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")),
    {"mode": "linear"}, {"mode": "linear", "antialias": 1},
    {"mode": "cubic"}, {"mode": "cubic", "cubic_coeff_a": -0.5},
    {"mode": "cubic", "exclude_outside": 1}, {"mode": "cubic", "antialias": 1},
)  # fmt: skip


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("mode", _MODES, ids=lambda m: "-".join(map(str, m.values())))
def test_resize(tmp_path: Path, way: str, mode: dict[str, Any]) -> None:
    for kind, values in _SCALES.items():
        for value in values:
            dtype = np.float32 if kind == "scales" else np.int64
            inputs = ["x", "", "v"] if kind == "scales" else ["x", "", "", "v"]
            node = helper.make_node(
                "Resize", inputs, ["y"], coordinate_transformation_mode=way, **mode
            )
            constants = {"v": np.array(value, dtype)}
            x = drawn(2, 3, 7, 9)
            agree(tmp_path / "m.onnx", node, {"x": x}, constants, opset=19)


_OLD: tuple[Older, ...] = (
    ("Upsample", 9, {"mode": "nearest"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    ("Upsample", 9, {"mode": "linear"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    ("Resize", 10, {"mode": "linear"}, {"s": np.array([1, 1, 0.5, 2], np.float32)}),
    ("GridSample", 16, {}, {"g": drawn(2, 4, 4, 2, seed=3) / 2}),
    ("GridSample", 16, {"mode": "bicubic", "padding_mode": "reflection",
                        "align_corners": 1}, {"g": drawn(2, 4, 4, 2, seed=3) / 2}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
