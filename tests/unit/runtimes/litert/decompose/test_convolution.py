"""Convolutions and folds, decomposed exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.unit.runtimes.litert.decompose.checks import (
    IMAGE,
    LINE,
    VOLUME,
    Call,
    Function,
    exact,
)

MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{
        f"transposed {rank}d {options}": (
            lambda kind=kind, options=options: kind(6, 6, 3, **options),
            shape,
        )
        for rank, (kind, shape) in enumerate(
            (
                (nn.ConvTranspose1d, LINE),
                (nn.ConvTranspose2d, IMAGE),
                (nn.ConvTranspose3d, (6, 4, 5, 3)),
            ),
            start=1,
        )
        for options in (
            {"stride": 2, "padding": 1},
            {"stride": 2, "padding": 1, "output_padding": 1, "groups": 6},
            {"stride": 3, "dilation": 2, "padding": 1, "output_padding": 2},
            {"stride": 2, "dilation": 2, "padding": 1, "groups": 3},
        )
    },
    "same of a line": (lambda: nn.Conv1d(6, 5, 4, padding="same", dilation=2), LINE),
    "groups of volumes": (lambda: nn.Conv3d(4, 6, 3, padding=1, groups=2), VOLUME),
}
FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "fold": (lambda x: F.fold(x, (7, 8), 3, padding=1), (18, 56)),
    "fold dilated": (
        lambda x: F.fold(x, (9, 9), 3, dilation=2, stride=2),
        (18, 9),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_decomposed_exactly(name: str) -> None:
    function, shape = FUNCTIONS[name]
    exact(Call(function), shape)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_decomposed_exactly(name: str) -> None:
    build, shape = MODULES[name]
    torch.manual_seed(0)
    exact(build().eval(), shape)
