"""Windows that slide over an input, with the paddings that Keras and TensorFlow have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Pads = list[tuple[int, int]]
"""Before and after, a dimension each."""
_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def same(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Pads:
    """Padding of "same": as many windows as strides begin, the odd one behind."""
    pads = []
    for size, width, stride, step in zip(sizes, kernel, strides, dilation, strict=True):
        windows = -(-size // stride)
        total = max((windows - 1) * stride + (width - 1) * step + 1 - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def even(pads: Pads) -> tuple[int, ...] | None:
    """One number a dimension where both sides are alike."""
    alike = all(before == after for before, after in pads)
    return tuple(before for before, _ in pads) if alike else None


def padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """`x` (batch, channels, *sizes) with more at its sides; negative numbers take away."""
    if not any(side for pair in pads for side in pair):
        return x
    flat = [side for pair in reversed(pads) for side in pair]
    return F.pad(x, flat, value=value)


def max_pool(
    x: Tensor, kernel: Sequence[int], strides: Sequence[int], pads: Pads
) -> Tensor:
    """The largest of each window of `x` (batch, channels, *sizes)."""
    beside, ceiling = even(pads), _by_ceiling(pads)
    if beside is None and not ceiling:
        x = padded(x, pads, float("-inf"))
    beside = beside or (0,) * len(pads)
    pool = _MAX[len(pads)]
    return pool(x, tuple(kernel), tuple(strides), beside, ceil_mode=ceiling)


def _by_ceiling(pads: Pads) -> bool:
    """Return whether the padding is a last window that stands over the edge, in every dimension."""
    return all(before == 0 and after > 0 for before, after in pads)


def average_pool(
    x: Tensor, kernel: Sequence[int], strides: Sequence[int], pads: Pads
) -> Tensor:
    """The mean of each window, of what is in `x` (batch, channels, *sizes)."""
    pool, beside = _AVERAGE[len(pads)], even(pads)
    size, steps = tuple(kernel), tuple(strides)
    if beside is not None:
        return pool(x, size, steps, beside, count_include_pad=False)
    fraction = pool(padded(torch.ones(1, 1, *x.shape[2:]), pads), size, steps)
    return pool(padded(x, pads), size, steps) / fraction
