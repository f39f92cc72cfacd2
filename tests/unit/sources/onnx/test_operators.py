"""Single operators against ONNX Runtime itself, over attributes and operator sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from torch import nn

from edgekit.sources.onnx import graph
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.walk import Walk
from tests.unit.sources.onnx.models import saved


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(
    path: Path,
    node: onnx.NodeProto,
    given: dict[str, Any],
    constants: dict[str, Any],
    *,
    opset: int = 17,
) -> None:
    """The reader and ONNX Runtime give the same for one operator."""
    kinds = {n: helper.np_dtype_to_tensor_dtype(v.dtype) for n, v in given.items()}
    shapes = {name: value.shape for name, value in given.items()}
    expected = {name: None for name in node.output if name}
    if node.op_type == "TopK":
        kinds[node.output[1]] = onnx.TensorProto.INT64
    model = onnx.load(
        saved(path, [node], shapes, expected, constants, opset=opset, dtypes=kinds)
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    walk = Walk(Constants(nn.Module()), Batch(1, 1))
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    with torch.no_grad():
        found = walk.run(graph.parsed(model), tensors)
    for mine, theirs in zip(found, session.run(None, given), strict=True):
        value = mine.numpy() if isinstance(mine, torch.Tensor) else mine
        assert value.shape == theirs.shape
        np.testing.assert_allclose(value, theirs, atol=2e-5, rtol=2e-5)


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


_MS: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    ("Gelu", {"x": (2, 6)}, {}, {}),
    ("QuickGelu", {"x": (2, 6)}, {}, {"alpha": 1.702}),
    ("BiasGelu", {"x": (2, 6)}, {"b": (6,)}, {}),
    ("FastGelu", {"x": (2, 6)}, {"b": (6,)}, {}),
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
    ("Attention", {"x": (2, 4, 8)}, {"w": (8, 24), "b": (24,)}, {"num_heads": 2}),
    ("Attention", {"x": (2, 4, 8)}, {"w": (8, 24), "b": (24,)},
     {"num_heads": 2, "unidirectional": 1}),
    ("MultiHeadAttention", {"q": (2, 4, 8), "k": (2, 5, 8), "v": (2, 5, 8)}, {},
     {"num_heads": 2}),
    ("MultiHeadAttention", {"q": (2, 4, 8), "k": (2, 5, 8), "v": (2, 5, 8)},
     {"b": (24,)}, {"num_heads": 2, "scale": 0.3}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "shapes", "held", "said"), _MS)
def test_fused_operators_of_the_runtime(
    tmp_path: Path,
    name: str,
    shapes: dict[str, Any],
    held: dict[str, Any],
    said: dict[str, Any],
) -> None:
    given = {n: drawn(*shape, seed=i) for i, (n, shape) in enumerate(shapes.items())}
    constants = {n: drawn(*s, seed=9 + i) for i, (n, s) in enumerate(held.items())}
    node = helper.make_node(
        name, [*given, *constants], ["y"], domain="com.microsoft", **said
    )
    agree(tmp_path / "m.onnx", node, given, constants)


_OLD: tuple[tuple[str, int, dict[str, Any], dict[str, Any]], ...] = (
    ("Softmax", 11, {"axis": 1}, {}),
    ("LogSoftmax", 7, {"axis": 2}, {}),
    ("Clip", 6, {"min": -0.5, "max": 0.5}, {}),
    ("Squeeze", 11, {"axes": [1]}, {}),
    ("Unsqueeze", 11, {"axes": [0, 3]}, {}),
    ("Slice", 9, {"starts": [0, 1], "ends": [9, -1], "axes": [2, 3]}, {}),
    ("Pad", 10, {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "mode": "reflect"}, {}),
    ("Upsample", 9, {"mode": "nearest"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    ("Upsample", 9, {"mode": "linear"}, {"s": np.array([1, 1, 2, 2], np.float32)}),
    ("Resize", 10, {"mode": "linear"}, {"s": np.array([1, 1, 0.5, 2], np.float32)}),
    ("ReduceMean", 11, {"axes": [-1, 1], "keepdims": 0}, {}),
    ("TopK", 11, {"axis": 3, "largest": 0}, {"k": np.array([2], np.int64)}),
    ("Split", 11, {"axis": 3, "split": [2, 3]}, {}),
    ("AveragePool", 10, {"kernel_shape": [3, 3], "pads": [0, 1, 1, 1], "ceil_mode": 1}, {}),
    ("AveragePool", 11, {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER",
                         "strides": [2, 2]}, {}),
    ("MaxPool", 11, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, {}),
    ("MaxPool", 11, {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER",
                     "strides": [2, 2]}, {}),
    ("LpPool", 11, {"kernel_shape": [2, 2], "p": 3}, {}),
    ("GridSample", 16, {}, {"g": drawn(2, 4, 4, 2, seed=3) / 2}),
    ("GridSample", 16, {"mode": "bicubic", "padding_mode": "reflection",
                        "align_corners": 1}, {"g": drawn(2, 4, 4, 2, seed=3) / 2}),
    ("Einsum", 12, {"equation": "nchw,c->nhw"}, {"w": drawn(1, seed=4)}),
    ("LRN", 13, {"size": 3, "alpha": 0.1, "beta": 0.7, "bias": 2.0}, {}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "opset", "said", "constants"), _OLD)
def test_operators_of_older_sets(
    tmp_path: Path,
    name: str,
    opset: int,
    said: dict[str, Any],
    constants: dict[str, Any],
) -> None:
    channels = 1 if name in ("Squeeze", "Einsum") else 4
    count = 2 if name in ("Split", "TopK") else 1
    outputs = [f"y{n}" for n in range(count)]
    node = helper.make_node(name, ["x", *constants], outputs, **said)
    x = drawn(2, channels, 6, 5)
    agree(tmp_path / "m.onnx", node, {"x": x}, constants, opset=opset)


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
