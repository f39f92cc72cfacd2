"""The inputs of a squashing at the end are compared too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn

from edgekit.errors import ModelError
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
