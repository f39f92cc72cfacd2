"""Shared parts of decompositions."""

from __future__ import annotations

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from edgekit.runtimes.litert.decompose.data import constant, each


@pytest.mark.parametrize(
    ("value", "expected"), [([2], [2, 2]), ([2, 3], [2, 3]), ([1, 2, 1, 2], None)]
)
def test_one_number_serves_all_dimensions(
    value: list[int], expected: list[int] | None
) -> None:
    assert each(value, 2) == (expected or [])


def test_a_constant_is_data_of_the_graph_and_no_operator() -> None:
    def network(x: torch.Tensor) -> torch.Tensor:
        return x * constant(lambda: torch.arange(3.0) * 2)

    traced = make_fx(network)(torch.ones(3))
    called = [n.target for n in traced.graph.nodes if n.op == "call_function"]
    assert called == [torch.ops.aten.mul.Tensor]
    assert traced(torch.ones(3)).tolist() == [0, 2, 4]
