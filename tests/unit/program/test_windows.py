"""Padding and pooling, against PyTorch and by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edgekit.program import windows


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "expected"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (6, 3, 2, 1, (0, 1)),
        (5, 3, 1, 2, (2, 2)),
        (4, 1, 2, 1, (0, 0)),
    ],
)
def test_same_padding(
    size: int, kernel: int, stride: int, dilation: int, expected: tuple[int, int]
) -> None:
    assert windows.same([size], [kernel], [stride], [dilation]) == [expected]


def test_even_padding_is_one_number() -> None:
    assert windows.even([(1, 1), (2, 2)]) == (1, 2)
    assert windows.even([(0, 1)]) is None


def test_negative_padding_takes_away() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert windows.padded(x, [(0, 0), (0, 0)]) is x
    found = windows.padded(x, [(-1, 0), (1, 1)], value=9.0)
    assert found.shape == (1, 1, 2, 6)
    assert found[0, 0, 0].tolist() == [9.0, 4.0, 5.0, 6.0, 7.0, 9.0]


@pytest.mark.parametrize("pads", [[(1, 1), (1, 1)], [(0, 1), (0, 1)], [(1, 0), (0, 0)]])
def test_maxima_ignore_the_padding(pads: windows.Pads) -> None:
    x = -torch.rand(2, 3, 6, 6) - 1
    flat = [side for pair in reversed(pads) for side in pair]
    expected = F.max_pool2d(F.pad(x, flat, value=float("-inf")), 3, 2)
    found = windows.max_pool(x, [3, 3], [2, 2], pads)
    assert torch.equal(found, expected)
