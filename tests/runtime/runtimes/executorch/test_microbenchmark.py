"""One-operator ExecuTorch programs in int8 and fp32, on their runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.types.operator_shape import OperatorShape
from tests.runtime.cost.test_table import OPERATORS
from tests.runtime.runtimes.single import CHAINS, LINEAR, chain_agrees, int8_agrees

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "operator",
    [
        *OPERATORS[:2],
        LINEAR,
        *(o for o in OPERATORS if o.kind in ("pool", "slice", "pad")),
    ],
    ids=lambda one: one.key,
)
def test_an_int8_model_computes_what_the_fp32_model_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    int8_agrees(tmp_path, "executorch", operator)


@pytest.mark.parametrize("operator", CHAINS, ids=lambda one: one.key)
def test_attention_and_norm_compute_what_pytorch_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    chain_agrees(tmp_path, "executorch", operator)
