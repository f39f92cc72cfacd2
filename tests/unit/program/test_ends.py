"""The inputs of a squashing at the end are compared too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn

from edgekit.errors import ModelError
from edgekit.program.ends import in_logarithms
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.unit.program.sums import Net, Rows, checked, exact


def test_a_softmax_over_another_dimension_is_refused() -> None:
    class Across(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(x.reshape(-1, 2, 2), 1)

    def rows(x: np.ndarray) -> list[np.ndarray | None]:
        square = x.reshape(-1, 2, 2)
        return [special.softmax(square, 2), square]

    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Across(), rows)


def test_an_end_is_found_behind_reshapes() -> None:
    class Turned(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x * 1000).reshape(-1, 2, 2).permute(0, 2, 1)

    def rows(factor: float) -> Rows:
        def found(x: np.ndarray) -> list[np.ndarray | None]:
            taken = (x.astype(np.float64) * factor).reshape(-1, 2, 2).swapaxes(1, 2)
            return [special.expit(taken), taken]

        return found

    assert checked(Turned(), rows(1000)).largest < 1e-6
    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Turned(), rows(999))


def test_an_end_that_the_file_does_not_have_is_left_out() -> None:
    assert checked(Net(), lambda x: [*exact(x)[:2], None]).largest < 1e-6


def test_places_of_largest_values_are_compared_by_scores_too() -> None:
    class Best(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.argmax(x * 2, 1).to(torch.int32)

    def rows(x: np.ndarray) -> list[np.ndarray | None]:
        return [x.argmax(1).astype(np.int32), x * 2]

    assert checked(Best(), rows).largest < 1e-6
    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Best(), lambda x: [rows(x)[0], x])
    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Best(), lambda x: [x.argmin(1).astype(np.int32), x * 2])


@pytest.mark.parametrize(
    ("squash", "logarithm"),
    [
        (nn.Softmax(1), nn.LogSoftmax(1)),
        (nn.Sequential(nn.Softmax(1), nn.Flatten()), nn.LogSoftmax(1)),
    ],
)
def test_probabilities_become_their_logarithms_over_the_same_parameters(
    squash: nn.Module, logarithm: nn.Module
) -> None:
    linear = nn.Linear(3, 4)
    squashed = trace(nn.Sequential(linear, squash), (InputSpec(shape=(3,)),))
    found = in_logarithms(squashed)
    x = 100 * torch.randn(5, 3)
    expected = logarithm(linear(x))
    torch.testing.assert_close(found.module(x), expected)
    assert found.fingerprint() != squashed.fingerprint()
    ours, theirs = (dict(p.module.named_parameters()) for p in (found, squashed))
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in ours)
    torch.testing.assert_close(squashed.module(x), squash(linear(x)))


def test_independent_probabilities_become_their_logits() -> None:
    linear = nn.Linear(3, 4)
    for squash in (nn.Sigmoid(), nn.Sequential(nn.Sigmoid(), nn.Flatten())):
        squashed = trace(nn.Sequential(linear, squash), (InputSpec(shape=(3,)),))
        x = 100 * torch.randn(5, 3)
        found = in_logarithms(squashed, independent=True)
        torch.testing.assert_close(found.module(x), linear(x))
        assert in_logarithms(squashed) is squashed
        softmax = trace(nn.Softmax(1), (InputSpec(shape=(3,)),))
        assert in_logarithms(softmax, independent=True) is softmax


def test_an_output_that_is_no_probability_is_left() -> None:
    class Weighed(nn.Module):
        """A softmax inside, which the output is made of."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(x, 1) * x

    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.softmax(x, 1), x

    for network in (nn.Linear(3, 4), nn.Sigmoid(), Weighed(), Two()):
        program = trace(network, (InputSpec(shape=(3,)),))
        assert in_logarithms(program) is program


def test_of_several_outputs_the_one_that_is_read_becomes_its_logarithm() -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"raw": x, "scores": torch.softmax(x, 1)}

    program = trace(Named(), (InputSpec(shape=(3,)),))
    x = torch.randn(5, 3)
    assert in_logarithms(replace(program, reads=(0,))).module is program.module
    found = in_logarithms(replace(program, reads=(1,))).module(x)
    assert torch.equal(found["raw"], x)
    torch.testing.assert_close(found["scores"], torch.log_softmax(x, 1))
