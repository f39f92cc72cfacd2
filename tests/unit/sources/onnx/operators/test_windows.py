"""Paddings of sliding windows against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from tests.unit.sources.onnx.agreement import Older, agree, agree_old, drawn

_PADS: tuple[dict[str, Any], ...] = (
    {},
    {"auto_pad": "SAME_UPPER"},
    {"pads": [0, 1, 1, 0]},
    {"output_shape": [13, 14]},
    {"output_padding": [1, 1]},
)


@pytest.mark.parametrize("pads", _PADS)
def test_transposed_convolution(tmp_path: Path, pads: dict[str, Any]) -> None:
    node = helper.make_node(
        "ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2], **pads
    )
    constants = {"w": drawn(3, 2, 3, 3, seed=1), "b": drawn(4, seed=2)}
    node.attribute.append(helper.make_attribute("group", 2))
    constants["w"] = drawn(4, 2, 3, 3, seed=1)
    agree(tmp_path / "m.onnx", node, {"x": drawn(2, 4, 6, 6)}, constants, opset=11)


_OLD: tuple[Older, ...] = (
    ("AveragePool", 11, {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER",
                         "strides": [2, 2]}, {}),
    ("MaxPool", 11, {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER",
                     "strides": [2, 2]}, {}),
)  # fmt: skip


@pytest.mark.parametrize("case", _OLD, ids=lambda case: f"{case[0]}-{case[1]}")
def test_operators_of_older_sets(tmp_path: Path, case: Older) -> None:
    agree_old(tmp_path / "m.onnx", case)
