"""One-operator ONNX models in int8 and fp32, on OpenVINO."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.types.operator_shape import OperatorShape
from tests.runtime.cost.test_table import OPERATORS
from tests.runtime.runtimes.single import CHAINS, chain_agrees, int8_agrees


@pytest.mark.parametrize("operator", [OPERATORS[0]], ids=lambda one: one.kind)
def test_an_int8_model_computes_what_the_fp32_model_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    int8_agrees(tmp_path, "openvino", operator)


@pytest.mark.parametrize("operator", CHAINS, ids=lambda one: one.key)
def test_attention_and_norm_compute_what_pytorch_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    chain_agrees(tmp_path, "openvino", operator)
