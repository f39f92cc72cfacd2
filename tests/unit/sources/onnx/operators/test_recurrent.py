"""LSTM, GRU and RNN against ONNX Runtime, over their attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from tests.unit.sources.onnx.agreement import agree, drawn


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("extra", ["plain", "reset", "activations", "no bias", "clip"])
def test_recurrent(tmp_path: Path, kind: str, direction: str, extra: str) -> None:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    ways = 2 if direction == "bidirectional" else 1
    constants = {
        "W": drawn(ways, gates * 5, 4, seed=1),
        "R": drawn(ways, gates * 5, 5, seed=2),
        "B": drawn(ways, gates * 10, seed=3),
        "h": drawn(ways, 3, 5, seed=4),
        "c": drawn(ways, 3, 5, seed=5),
    }
    said: dict[str, Any] = {"hidden_size": 5, "direction": direction}
    if extra == "reset" and kind == "GRU":
        said["linear_before_reset"] = 1
    if extra == "activations":
        names = {"LSTM": ["HardSigmoid", "Relu", "Softsign"],
                 "GRU": ["HardSigmoid", "Relu"], "RNN": ["LeakyRelu"]}[kind]  # fmt: skip
        said["activations"] = names * ways
        if kind == "RNN":
            said["activation_alpha"] = [0.1] * ways
    if extra == "clip":
        said["clip"] = 0.5
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    bias = "" if extra == "no bias" else "B"
    outputs = ["y", "yh", "yc"] if kind == "LSTM" else ["y", "yh"]
    node = helper.make_node(kind, ["x", "W", "R", bias, "", *states], outputs, **said)
    used = {k: v for k, v in constants.items() if k in node.input}
    agree(tmp_path / "m.onnx", node, {"x": drawn(6, 3, 4)}, used, opset=14)
