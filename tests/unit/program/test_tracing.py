"""Tracing of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.program import trace
from tests.unit.program.test_batches import (
    ROWS,
    Net,
    by_value,
    one_way,
    packed,
    text,
    unknown,
)


def test_regions_under_autocast_are_in_float32() -> None:
    def compute(net: Net, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = net.layer(x)
        return y.float() * 2

    network = Net(compute).eval()
    program = trace(network, ROWS)
    x = torch.randn(3, 4, 6)
    torch.testing.assert_close(program.module(x), network.layer(x) * 2)
    spaces = {str(n.target).partition(".")[0] for n in program.module.graph.nodes
              if n.op == "call_function"}  # fmt: skip
    assert spaces == {"aten"}
    assert all(p.dtype == torch.float32 for p in program.module.parameters())
    assert trace(program.module, ROWS).module(x).dtype == torch.float32


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (one_way, "batch size 1"),
        (by_value, "control flow that depends on data.*torch.where"),
        (packed, "packed sequences"),
        (text, "returns str: a network returns tensors"),
        (unknown, "tuple, list, dictionary or dataclass"),
    ],
)
def test_what_cannot_be_traced_is_said_in_one_line(
    compute: Callable[..., Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        trace(nn.Sequential(Net(compute)), ROWS)
    assert "\n" not in str(caught.value)
