"""Tracing of networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.program import load, trace
from edgekit.types import InputSpec
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


class Named(nn.Module):
    """Layers, a buffer and a parameter by names that a traced module has for itself, or that
    Python has."""

    def __init__(self) -> None:
        super().__init__()
        self.meta, self.graph = nn.Linear(3, 4), nn.BatchNorm1d(4)
        self.ways = nn.ModuleDict({"in": nn.Linear(4, 4), "class": nn.Linear(4, 2)})
        self.code = nn.Parameter(torch.rand(4))
        self.register_buffer("recompile_", torch.rand(4))

    def forward(self, x: Tensor) -> Any:
        y = self.graph(self.meta(x)) * self.code + self.recompile_
        return self.ways["class"](self.ways["in"](y).relu())


def test_layers_may_have_any_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, x = Named().eval(), torch.randn(3, 3)
    program = trace(network, (InputSpec(shape=(3,)),))
    names = {name for name, _ in program.module.named_parameters()}
    assert {"meta_.weight", "graph_.bias", "ways.in_.weight", "code_"} <= names
    program.save(tmp_path / "net.pt2")
    for each in (program, program.copy(), load(tmp_path / "net.pt2")):
        torch.testing.assert_close(each.module(x), network(x))
