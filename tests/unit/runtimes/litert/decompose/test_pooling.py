"""Poolings, decomposed exactly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.unit.runtimes.litert.decompose.checks import (
    IMAGE,
    LINE,
    VOLUME,
    Call,
    Function,
    exact,
)

FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "global maximum": (lambda x: F.adaptive_max_pool2d(x, 1), IMAGE),
    "mean of images": (lambda x: x.mean((2, 3)), IMAGE),
    "sum of images": (lambda x: x.sum((-1, 2), dtype=torch.float64), IMAGE),
    "odd maximum": (lambda x: F.adaptive_max_pool2d(x, (4, 5)), IMAGE),
    "larger maximum": (lambda x: F.adaptive_max_pool2d(x, (13, 12)), IMAGE),
    "maximum of lines": (lambda x: F.adaptive_max_pool1d(x, 7), LINE),
    "maximum of volumes": (lambda x: F.adaptive_max_pool3d(x, (2, 3, 4)), VOLUME),
    "mean of volumes": (lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), VOLUME),
    "places of equals": (
        lambda x: F.adaptive_max_pool2d(x.relu().round(), (3, 4), True),
        IMAGE,
    ),
    "places in windows": (
        lambda x: F.max_pool2d(x.relu().round(), 3, 2, 1, return_indices=True),
        IMAGE,
    ),
    "places in dilated windows": (
        lambda x: F.max_pool2d(x, (3, 2), 2, 1, 2, True, return_indices=True),
        IMAGE,
    ),
    "hanging windows": (
        lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True),
        VOLUME,
    ),
    "hanging windows without padding": (
        lambda x: F.avg_pool3d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        VOLUME,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_decomposed_exactly(name: str) -> None:
    function, shape = FUNCTIONS[name]
    exact(Call(function), shape)
