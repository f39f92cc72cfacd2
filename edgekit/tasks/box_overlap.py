"""Overlap of boxes with a gradient also where they lie apart."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-7


def generalized_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """GIoU of pairs of corners x1, y1, x2, y2 (..., 4), from -1 to 1: (...).

    Rezatofighi et al., 2019, arXiv:1902.09630: the intersection over union, less the fraction of
    the smallest box around both that neither covers. Sides below 0 count as 0.
    """
    both = _area(
        torch.maximum(boxes[..., :2], others[..., :2]),
        torch.minimum(boxes[..., 2:], others[..., 2:]),
    )
    around = _area(
        torch.minimum(boxes[..., :2], others[..., :2]),
        torch.maximum(boxes[..., 2:], others[..., 2:]),
    )
    areas = [_area(x[..., :2], x[..., 2:]) for x in (boxes, others)]
    union = areas[0] + areas[1] - both
    return both / (union + _TINY) - (around - union) / (around + _TINY)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(-1)


def corners(centers: Tensor) -> Tensor:
    """Corners (..., 4) of boxes as center x, y, width and height (..., 4)."""
    half = centers[..., 2:] / 2
    return torch.cat([centers[..., :2] - half, centers[..., :2] + half], -1)
