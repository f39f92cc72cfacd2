"""One-operator TFLite models in int8 and fp32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter

from edgekit.cost import microbenchmark
from edgekit.runtimes.litert.operator_split import split
from edgekit.runtimes.weights import weights
from edgekit.types.operator_shape import OperatorShape
from tests.runtime.cost.test_table import OPERATORS
from tests.runtime.runtimes.single import LINEAR, int8_agrees


@pytest.mark.parametrize(
    "operator",
    [*(OPERATORS[number] for number in (0, 1, 5, 7, 8)), LINEAR],
    ids=lambda one: one.kind,
)
def test_an_int8_model_computes_what_the_fp32_model_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    int8_agrees(tmp_path, "litert", operator)


@pytest.mark.parametrize(
    ("size", "kinds"), [(12, ["PAD", "CONV_2D"]), (11, ["CONV_2D"])]
)
def test_a_strided_convolution_pads_as_its_export_does(
    tmp_path: Path, size: int, kinds: list[str]
) -> None:
    """ "Same" pads an even size at one end alone, where the network pads both."""
    operator = OperatorShape(
        kind="conv", inputs=3, outputs=4, size=(size, size), kernel=(3, 3),
        padding=(1, 1), stride=(2, 2),
    )  # fmt: skip
    path = microbenchmark.write(operator, "litert", "fp32", tmp_path)
    parts = split(path, tmp_path)
    assert [part.kind for part in parts] == kinds
    x = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    weight = weights(4, 3, 3, 3).transpose(0, 3, 1, 2)  # height, width, inputs
    expected = F.conv2d(
        torch.from_numpy(x), torch.from_numpy(weight.copy()), stride=2, padding=1
    )
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()
    interpreter.set_tensor(given["index"], x.transpose(0, 2, 3, 1))
    interpreter.invoke()
    found = interpreter.get_tensor(made[0]["index"]).transpose(0, 3, 1, 2)
    assert np.allclose(found, expected.numpy(), atol=1e-5)
