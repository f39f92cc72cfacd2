"""Elementwise, sorting and indexing operators, decomposed exactly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.unit.runtimes.litert.decompose.checks import (
    IMAGE,
    ROWS,
    Call,
    Function,
    exact,
)

FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "one hot": (lambda x: F.one_hot((x > 0).long(), 3), ROWS),
    "expanded": (lambda x: x.amax(1, keepdim=True).expand(-1, 6, 9, 11), IMAGE),
    "expanded as": (lambda x: x[:, :, :1].expand_as(x) * 2, IMAGE),
    "multiple added": (lambda x: torch.add(x, x.flip(1), alpha=0.3), ROWS),
    "floor of a quotient": (
        lambda x: torch.div(x, 0.3, rounding_mode="floor"),
        ROWS,
    ),
    "exclusive": (lambda x: (x > 0) ^ (x > 0.5), ROWS),
    "products": (lambda x: torch.cumprod(x, 1), ROWS),
    "largest so far": (lambda x: torch.cummax(x, -1)[0], ROWS),
    "smallest so far": (lambda x: torch.cummin(x, 1)[0], ROWS),
    "sorted": (lambda x: torch.sort(x, 1, descending=True), ROWS),
    "order": (lambda x: torch.argsort(x, -1), ROWS),
    "third": (lambda x: torch.kthvalue(x, 3, 1, keepdim=True), ROWS),
    "median": (lambda x: torch.median(x, -1), ROWS),
    "buckets": (
        lambda x: torch.bucketize(x.round(), torch.arange(-2.0, 3), right=True),
        ROWS,
    ),
    "rows added": (
        lambda x: torch.index_add(
            x, 1, torch.tensor([0, 2, 2]), x[:, :3] * 2, alpha=0.5
        ),
        ROWS,
    ),
    "scattered": (lambda x: torch.scatter_add(x, 1, (x > 0).long(), x), ROWS),
    "rows filled": (
        lambda x: torch.index_fill(x, 1, torch.tensor([4, 2]), 3.0),
        ROWS,
    ),
    "lone head": (lambda x: x[:, :1].repeat_interleave(3, 1), ROWS),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_decomposed_exactly(name: str) -> None:
    function, shape = FUNCTIONS[name]
    exact(Call(function), shape)
