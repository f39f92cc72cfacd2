"""The training loss of the detector, which a pruned student may learn by, too.

Task-aligned assignment (Feng et al., 2021, arXiv:2108.07755), distribution focal loss (Li et al.,
2020, arXiv:2006.04388) and GIoU (Rezatofighi et al., 2019, arXiv:1902.09630).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from model import BINS, STRIDES
from torch import Tensor

SIZE = (128, 160)
NEAREST = 10
"""Places that learn one box."""
ALIGNED = (0.5, 6.0)
"""Powers of the score and of the overlap."""
WEIGHTS = (7.5, 0.5, 1.5)
"""Of overlap, scores and distributions."""


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Outputs (n, places, 4 * BINS + classes) and boxes (n, boxes, 5) of pixels and class, -1 where
    there is none, to losses (n,)."""
    sides, scores = outputs[..., : 4 * BINS], outputs[..., 4 * BINS :]
    centers, strides = places(outputs.device)
    bins = torch.arange(BINS, dtype=outputs.dtype, device=outputs.device)
    distances = sides.unflatten(2, (4, BINS)).softmax(3) @ bins * strides
    boxes = torch.cat([centers - distances[..., :2], centers + distances[..., 2:]], 2)
    return torch.stack(
        [
            _one(*each, centers, strides)
            for each in zip(sides, boxes, scores, targets, strict=True)
        ]
    )


def places(device: torch.device) -> tuple[Tensor, Tensor]:
    """Centers (places, 2) in pixels and strides (places, 1)."""
    found, steps = [], []
    for stride in STRIDES:
        y, x = (torch.arange(side // stride, device=device) for side in SIZE)
        grid = torch.cartesian_prod(y, x).flip(1)
        found.append((grid + 0.5) * stride)
        steps.append(torch.full((len(grid), 1), float(stride), device=device))
    return torch.cat(found), torch.cat(steps)


def _one(
    sides: Tensor,
    boxes: Tensor,
    scores: Tensor,
    targets: Tensor,
    centers: Tensor,
    strides: Tensor,
) -> Tensor:
    """The loss of one image: ()."""
    targets = targets[targets[:, 4] >= 0]
    expected = torch.zeros_like(scores)
    if not len(targets):
        return (
            F.binary_cross_entropy_with_logits(scores, expected, reduction="sum")
            * WEIGHTS[1]
        )
    place, box, aligned = assigned(boxes.detach(), scores.detach(), targets, centers)
    expected[place, targets[box, 4].long()] = aligned.to(expected.dtype)
    total = expected.sum().clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(scores, expected, reduction="sum")
    right = targets[box, :4]
    apart = ((1 - overlap(boxes[place], right, outer=True)) * aligned).sum()
    spread = (
        _distribution(sides[place], right, centers[place], strides[place]) * aligned
    ).sum()
    return (WEIGHTS[0] * apart + WEIGHTS[1] * classes + WEIGHTS[2] * spread) / total


def assigned(
    boxes: Tensor, scores: Tensor, targets: Tensor, centers: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Places that learn a box, the box of each, and how well each does already, relative to the
    best: (learning,) each."""
    inside = (centers[:, None] > targets[:, :2]) & (centers[:, None] < targets[:, 2:4])
    within = inside.all(2)  # (places, boxes)
    near = overlap(boxes[:, None], targets[None, :, :4]).clamp(min=0)
    sure = scores.sigmoid()[:, targets[:, 4].long()]
    good = sure ** ALIGNED[0] * near ** ALIGNED[1] * within
    best = good.topk(min(NEAREST, len(good)), dim=0).indices
    chosen = torch.zeros_like(within).scatter_(0, best, True) & within
    nearest = torch.where(chosen, near, -1.0).max(1)
    place = torch.nonzero(nearest.values >= 0)[:, 0]
    box = nearest.indices[place]
    chosen = F.one_hot(nearest.indices, len(targets)).bool() & chosen
    most_good = torch.where(chosen, good, 0.0).amax(0).clamp(min=1e-9)
    most_near = torch.where(chosen, near, 0.0).amax(0)
    return place, box, good[place, box] / most_good[box] * most_near[box]


def overlap(boxes: Tensor, others: Tensor, *, outer: bool = False) -> Tensor:
    """Intersection over union of corners (..., 4); with `outer` GIoU."""
    low, high = (
        torch.max(boxes[..., :2], others[..., :2]),
        torch.min(boxes[..., 2:], others[..., 2:]),
    )
    both = (high - low).clamp(min=0).prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).clamp(min=0).prod(-1) for x in (boxes, others)]
    union = areas[0] + areas[1] - both + 1e-7
    if not outer:
        return both / union
    low, high = (
        torch.min(boxes[..., :2], others[..., :2]),
        torch.max(boxes[..., 2:], others[..., 2:]),
    )
    around = (high - low).prod(-1) + 1e-7
    return both / union - (around - union) / around


def _distribution(
    sides: Tensor, right: Tensor, centers: Tensor, strides: Tensor
) -> Tensor:
    """Cross-entropy with the two bins around each right distance: (places,)."""
    distances = torch.cat([centers - right[:, :2], right[:, 2:] - centers], 1) / strides
    distances = distances.clamp(0, BINS - 1.01)
    below = distances.long()
    logits = sides.unflatten(1, (4, BINS)).movedim(2, 1)
    low, high = (
        F.cross_entropy(logits, bin, reduction="none") for bin in (below, below + 1)
    )
    more = distances - below
    return (low * (1 - more) + high * more).mean(1)
