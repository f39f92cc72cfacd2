"""Quantized and half-precision files come in in single precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgekit.sources.onnx.loading import load
from tests.unit.sources.onnx.agreement import by_runtime, drawn, outputs
from tests.unit.sources.onnx.models import make, saved, weights


def float_net(path: Path) -> Path:
    constants = weights(w=(8, 3, 3, 3), b=(8,), head=(8, 5))
    constants = {name: value * np.float32(0.3) for name, value in constants.items()}
    nodes = [
        make("Conv", ["x", "w", "b"], ["c"], name="stem/Conv"),
        make("Relu", ["c"], ["r"]),
        make("GlobalAveragePool", ["r"], ["p"]),
        make("Flatten", ["p"], ["f"]),
        make("MatMul", ["f", "head"], ["y"], name="head/MatMul"),
    ]
    return saved(path, nodes, {"x": ("N", 3, 8, 8)}, {"y": ("N", 5)}, constants)


class Samples:
    """As ONNX Runtime's quantizer reads them."""

    def __init__(self) -> None:
        self.left = [{"x": drawn(4, 3, 8, 8, seed=n)} for n in range(4)]

    def get_next(self) -> Any:
        return self.left.pop() if self.left else None


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
def test_quantized_files_come_in_dequantized_and_say_so(
    tmp_path: Path, form: str, kind: str
) -> None:
    from onnxruntime import quantization as q

    source, path = float_net(tmp_path / "f.onnx"), tmp_path / "q.onnx"
    if form == "dynamic":
        q.quantize_dynamic(source, path, weight_type=q.QuantType[kind])
    else:
        q.quantize_static(
            source,
            path,
            Samples(),
            quant_format=q.QuantFormat[form],
            activation_type=q.QuantType[kind],
            weight_type=q.QuantType.QInt8,
            per_channel=form == "QDQ",
        )
    program = load(path)
    x = drawn(3, 3, 8, 8, seed=9)
    (expected,) = by_runtime(source, x=x)
    np.testing.assert_allclose(
        outputs(program, x)[0], expected, atol=0.05 * float(np.ptp(expected))
    )
    assert "comes in dequantized" in program.remarks[-1]
    names = [name for name, _ in program.module.named_parameters()]
    assert len(names) == 3, names


def test_a_file_in_half_precision_comes_in_in_single(tmp_path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    source = float_net(tmp_path / "f.onnx")
    half = convert_float_to_float16(onnx.load(source))
    onnx.save(half, tmp_path / "h.onnx")
    program = load(tmp_path / "h.onnx")
    x = drawn(3, 3, 8, 8)
    (expected,) = by_runtime(source, x=x)
    np.testing.assert_allclose(outputs(program, x)[0], expected, atol=5e-3)
    assert program.inputs[0].dtype is None
    assert "fp16" in program.remarks[-1]


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_recurrent_layer_quantized_by_its_range_comes_in(
    tmp_path: Path, per_channel: bool
) -> None:
    from onnxruntime import quantization as q

    shapes = {"w": (2, 12, 4), "r": (2, 12, 3), "b": (2, 24)}
    constants = {n: v * np.float32(0.3) for n, v in weights(**shapes).items()}
    nodes = [
        make("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        make(
            "LSTM",
            ["t", "w", "r", "b"],
            ["s", "h"],
            direction="bidirectional",
            hidden_size=3,
        ),
        make("Transpose", ["h"], ["y"], perm=[1, 0, 2]),
    ]
    ends = {"x": ("N", 5, 4)}, {"y": ("N", 2, 3)}
    source = saved(tmp_path / "f.onnx", nodes, *ends, constants)
    path = tmp_path / "q.onnx"
    q.quantize_dynamic(
        source, path, per_channel=per_channel, weight_type=q.QuantType.QInt8
    )
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert "DynamicQuantizeLSTM" in kinds
    program = load(path)
    x = drawn(3, 5, 4, seed=9)
    (expected,) = by_runtime(source, x=x)
    np.testing.assert_allclose(outputs(program, x)[0], expected, atol=0.01)
    assert "comes in dequantized" in program.remarks[-1]
