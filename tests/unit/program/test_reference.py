"""The network's own tensors, as PyTorch computes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgekit.program import reference
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        joined = torch.relu(self.left(a) + self.right(b))
        return joined, joined.sum(1, keepdim=True)


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    return trace(Two(), (InputSpec(shape=(4,)), InputSpec(shape=(2,))))


def feeds() -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [chance.normal(size=(5, n)).astype(np.float32) for n in (4, 2)]


def test_every_operator_has_its_values_and_what_it_reads(program: Program) -> None:
    found = {node.operator: node for node in reference.nodes(program, feeds())}
    assert list(found) == ["input", "linear", "add", "relu", "sum"]
    relu, total = found["relu"], found["sum"]
    assert relu.values.shape == (5, 3) and relu.shape == (1, 3)
    assert (relu.values >= 0).all() and (found["add"].values < 0).any()
    np.testing.assert_allclose(total.values[:, 0], relu.values.sum(1), rtol=1e-5)
    assert len(total.sources) == len(reference.nodes(program, feeds())) - 1
    assert found["linear"].layer in ("left", "right")


def test_outputs_are_those_of_all_samples_at_once(program: Program) -> None:
    given = feeds()
    with torch.no_grad():
        expected = program.module(*map(torch.from_numpy, given))
    for ours, whole in zip(reference.answers(program, given), expected, strict=True):
        np.testing.assert_allclose(ours, whole.numpy(), rtol=1e-5)


def test_operators_and_their_numbers_are_counted(program: Program) -> None:
    assert reference.count(program, ("linear", "relu")) == 3
    assert reference.elements(program) == 4 + 2 + 4 * 3 + 1
