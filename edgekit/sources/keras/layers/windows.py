"""Where windows that slide over an input lie: Keras's paddings as numbers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

Pads = list[tuple[int, int]]
"""Before and after, a dimension each."""


def same(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Pads:
    """What "same" adds: as many windows as strides begin, the odd one behind."""
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
