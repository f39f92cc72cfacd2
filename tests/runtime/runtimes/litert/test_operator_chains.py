"""Attention and layer norm as TFLite models of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.types.operator_shape import OperatorShape
from tests.runtime.runtimes.single import CHAINS, chain_agrees


@pytest.mark.parametrize("operator", CHAINS, ids=lambda one: one.key)
def test_a_chain_computes_what_pytorch_does(
    tmp_path: Path, operator: OperatorShape
) -> None:
    chain_agrees(tmp_path, "litert", operator)
