"""A network that differs from its file is refused; saturated and constant outputs hide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.program import parity
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Net(nn.Module):
    """A line, and a softmax of it so steep that it is saturated."""

    def __init__(self, shift: float = 0.0, steep: float = 100.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(12.0).reshape(3, 4) - 6)
        self.shift, self.steep = shift, steep

    def forward(self, x: torch.Tensor) -> Any:
        line = nn.functional.linear(x, self.weight)
        line = line + self.shift * line.new_tensor([0.0, 1.0, 0.0])
        return line, torch.softmax(line * self.steep, -1)


def program(module: nn.Module) -> Program:
    return trace(module, (InputSpec(shape=(4,)),))


def reference(inputs: Sequence[np.ndarray], bare: Sequence[bool]) -> list[np.ndarray]:
    assert list(bare) == [False, True]
    line = inputs[0].astype(np.float64) @ (np.arange(12.0).reshape(3, 4) - 6).T
    return [line, line * 100]


def test_equal_networks_pass_at_both_batch_sizes() -> None:
    found = parity.check(program(Net()), reference, source="net", against="sums")
    assert found.largest < 1e-6 and found.batches == (1, 3)
    assert "against sums at batch 1 and 3" in found.line()


def test_a_small_difference_is_refused() -> None:
    with pytest.raises(ModelError, match=r"net: output 1 differs from sums by .*e-0\d"):
        parity.check(program(Net(0.05)), reference, source="net", against="sums")


def test_a_difference_behind_a_saturated_softmax_is_refused() -> None:
    class Hidden(Net):
        def forward(self, x: torch.Tensor) -> Any:
            line, _ = super().forward(x)
            return line, torch.softmax(line * 99, -1)

    with torch.no_grad():
        x = torch.randn(3, 4)
        assert torch.allclose(Hidden()(x)[1], Net()(x)[1], atol=1e-4)
    with pytest.raises(ModelError, match="output 2 differs"):
        parity.check(program(Hidden()), reference, source="net", against="sums")


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ModelError, match="shapes"):
        parity.check(
            program(Net()),
            lambda inputs, bare: reference(inputs, bare)[:1],
            source="net",
            against="sums",
        )


def test_outputs_that_never_change_prove_nothing() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0 + 1

    with pytest.raises(ModelError, match="nothing can be proved"):
        parity.check(
            program(Constant()),
            lambda inputs, bare: [np.ones_like(inputs[0])],
            source="net",
            against="ones",
        )


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0.0, 1.0], [0.0, 1.0], 0.0),
        ([0.0, 1.1], [0.0, 1.0], 0.1),
        ([5.0, 5.0], [5.0, 5.0], None),
        ([5.1, 5.0], [5.0, 5.0], np.inf),
        ([np.nan, 1.0], [0.0, 1.0], np.inf),
        ([-np.inf, 1.0, 0.0], [-np.inf, 1.0, 0.0], 0.0),
        ([np.inf, 1.0, 0.0], [-np.inf, 1.0, 0.0], np.inf),
    ],
)
def test_differences_are_recognized_by_the_range(
    ours: list[float], theirs: list[float], expected: float | None
) -> None:
    found = parity.difference(np.array(ours), np.array(theirs))
    assert found == (None if expected is None else pytest.approx(expected))
