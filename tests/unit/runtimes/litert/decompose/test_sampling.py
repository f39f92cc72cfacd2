"""Resizing, decomposed exactly."""

from __future__ import annotations

import pytest
import torch.nn.functional as F

from tests.unit.runtimes.litert.decompose.checks import (
    IMAGE,
    Call,
    Function,
    exact,
)

FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "nearest of a size": (lambda x: F.interpolate(x, (13, 4)), IMAGE),
    "nearest of one": (lambda x: F.interpolate(x, (1, 1)), IMAGE),
    "nearest of a scale": (lambda x: F.interpolate(x, scale_factor=(2, 1.7)), IMAGE),
    "bilinear of a scale": (
        lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
        IMAGE,
    ),
    "bicubic of a scale": (
        lambda x: F.interpolate(x, scale_factor=0.7, mode="bicubic"),
        IMAGE,
    ),
    "antialiased": (
        lambda x: F.interpolate(x, (5, 17), mode="bicubic", antialias=True),
        IMAGE,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_decomposed_exactly(name: str) -> None:
    function, shape = FUNCTIONS[name]
    exact(Call(function), shape)
