"""A network that differs from its file is refused; saturated and constant outputs hide nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.program import parity
from tests.unit.program.sums import Net, checked, exact, inner


def test_equal_networks_pass_at_both_batch_sizes() -> None:
    found = checked(Net())
    assert found.largest < 1e-6 and found.batches == (1, 3)
    assert "against sums at batch 1 and 3" in found.line()


def test_a_small_difference_is_refused() -> None:
    with pytest.raises(ModelError, match=r"net: output 1 differs from sums by .*e-0\d"):
        checked(Net(0.05))


def test_the_first_tensor_that_differs_is_named() -> None:
    inside = [inner("a", [1, 2], [1, 2]), inner("b", [1, 2.1], [1, 2])]
    with pytest.raises(ModelError, match="first tensor that differs is 'b' of Add"):
        checked(Net(0.05), inside=[*inside, inner("c", [5, 5], [1, 2])])
    with pytest.raises(ModelError, match="Every tensor inside agrees at batch 1"):
        checked(Net(0.05), inside=inside[:1])


class Hidden(Net):
    """Differs behind its softmax alone."""

    def forward(self, x: torch.Tensor) -> Any:
        line, _ = super().forward(x)
        return line, torch.softmax(line * 99, -1)


def test_a_difference_behind_a_saturated_softmax_is_refused() -> None:
    with torch.no_grad():
        x = torch.randn(3, 4)
        assert torch.allclose(Hidden()(x)[1], Net()(x)[1], atol=1e-4)
    with pytest.raises(ModelError, match="output 2 differs"):
        checked(Hidden())


def test_other_shapes_are_refused() -> None:
    for wrong in (lambda x: exact(x)[:1], lambda x: [exact(x)[1], *exact(x)[1:]][::-1]):
        with pytest.raises(ModelError, match="shapes"):
            checked(Net(), lambda x, wrong=wrong: [y[:, :2] for y in wrong(x)])  # type: ignore[misc]


class Canceling(nn.Module):
    """Large numbers that cancel: single precision keeps but a few digits of the rest."""

    def __init__(self, large: float) -> None:
        super().__init__()
        self.large = large

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.large) - self.large


def test_rounding_is_excused_against_double_precision_and_said() -> None:
    found = checked(Canceling(65536.0), lambda x: [x.astype(np.float64)])
    assert found.largest > parity.TOLERANCE
    assert "Rounding alone moves them by" in found.line()


def test_rounding_excuses_no_more_than_a_hundredth_and_nothing_else() -> None:
    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Canceling(1e7), lambda x: [x.astype(np.float64)])
    with pytest.raises(ModelError, match="output 1 differs"):
        checked(Canceling(1.0), lambda x: [x.astype(np.float64) * 1.005])


class Constant(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0 + 1


def ones(x: np.ndarray) -> list[np.ndarray | None]:
    return [np.ones_like(x)]


def test_outputs_that_never_change_prove_nothing() -> None:
    for inside in ([], [inner("a", [1, 1], [1, 1])]):
        with pytest.raises(ModelError, match="nothing can be proved"):
            checked(Constant(), ones, inside=inside)


def test_tensors_inside_judge_outputs_that_never_change() -> None:
    found = checked(Constant(), ones, inside=[inner("a", [1, 2.0001], [1, 2])])
    assert "Output 1 hardly changes" in found.line() and "5.0e-05" in found.line()
    with pytest.raises(ModelError, match="tensor 'a' of Add differs from sums"):
        checked(Constant(), ones, inside=[inner("a", [1, 2.1], [1, 2])])


def test_other_inputs_are_tried_where_the_first_give_nothing() -> None:
    class Bright(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x - 20)

    found = checked(Bright(), lambda x: [np.maximum(x.astype(np.float64) - 20, 0)])
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0.0, 1.0], [0.0, 1.0], 0.0),
        ([0.0, 1.1], [0.0, 1.0], 0.1),
        ([5.0, 5.0], [5.0, 5.0], 0.0),
        ([np.nan, 1.0], [0.0, 1.0], np.inf),
        ([-np.inf, 1.0, 0.0], [-np.inf, 1.0, 0.0], 0.0),
        ([np.inf, 1.0, 0.0], [-np.inf, 1.0, 0.0], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
    ],
)
def test_tensors_inside_are_relative_to_their_largest_value(
    ours: list[float], theirs: list[float], expected: float
) -> None:
    assert inner("a", ours, theirs).error == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.1])
def test_an_output_that_does_not_change_has_to_be_what_it_is(wrong: float) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return x, x * 0 + wrong

    inside = [inner("a", [1, 2], [1, 2])]
    with pytest.raises(ModelError, match="output 2 differs"):
        checked(Two(), lambda x: [x, np.ones_like(x)], inside=inside)


def test_noise_is_relative_to_the_spread() -> None:
    exact = np.array([-1.0, 1.0])
    assert parity.noise(exact + 0.1, exact) == pytest.approx(0.1)
    assert parity.noise(exact * np.nan, exact) == np.inf
