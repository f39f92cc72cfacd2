"""One-operator ONNX models in int8 and fp32, on ONNX Runtime."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

from edgekit.runtimes.onnxruntime.microbenchmark import model
from edgekit.types.operator_shape import OperatorShape
from tests.runtime.cost.test_table import OPERATORS
from tests.runtime.runtimes.single import LINEAR, int8_agrees

CONV = OPERATORS[0]
DEPTHWISE = replace(CONV, groups=CONV.inputs, outputs=CONV.inputs)
ADD = replace(LINEAR, kind="elementwise", outputs=LINEAR.inputs)


@pytest.mark.parametrize(
    "operator",
    [OPERATORS[0], LINEAR, *(one for one in OPERATORS if one.kind in ("slice", "pad"))],
    ids=lambda one: one.kind,
)
def test_an_int8_model_computes_what_the_fp32_model_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    int8_agrees(tmp_path, "onnxruntime", operator)


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="other kernels elsewhere"
)
@pytest.mark.parametrize("relu", [False, True], ids=["linear", "relu"])
@pytest.mark.parametrize(
    ("operator", "kernel"),
    [
        (CONV, "QLinearConv"),
        (DEPTHWISE, "QLinearConv"),
        (ADD, "QLinearAdd"),
        (LINEAR, "QGemm"),
    ],
    ids=["conv", "depthwise", "add", "linear"],
)
def test_an_int8_operator_runs_in_integers(
    tmp_path: Path, operator: OperatorShape, kernel: str, relu: bool
) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of saved models
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    written = model(replace(operator, relu=relu), "int8")
    onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
    run = onnx.load(options.optimized_model_filepath).graph.node
    assert [node.op_type for node in run if node.op_type != "Transpose"] == [kernel]
