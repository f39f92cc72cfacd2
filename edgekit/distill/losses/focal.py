"""A loss between maps of two detectors that looks at things and not at the ground around them."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-8
_HEAT = 0.5
"""Temperature of attention."""
_REST, _DRIFT = 0.5, 0.5
"""Weights of what is around things, and of attention, relative to that of things."""


def focal_features(student: Tensor, teacher: Tensor, regions: Tensor) -> Tensor:
    """Squared difference of maps (batch, channels, height, width), weighed by the teacher's
    attention and by `regions` (batch, boxes, 4), corners as fractions of the image: ().

    The focal part of FGD: Yang et al., 2022, arXiv:2111.11837, over the teacher's mean square.
    Every thing counts the same, whatever its size, and so does all that is around them, by half.
    The student's map comes projected to the teacher's width. A box of no area is none.
    """
    things, rest = _weights(regions, *teacher.shape[2:])
    what, where = _attention(teacher)
    apart = (student - teacher).square() / (teacher.square().mean() + _TINY)
    seen = (apart * what[:, :, None, None]).mean(1) * where
    focal = (seen * (things + _REST * rest)).sum((1, 2)).mean()
    pairs = zip(_attention(student), (what, where), strict=True)
    drift = sum(
        ((ours - theirs).abs().mean() for ours, theirs in pairs), torch.zeros(())
    )
    return focal + _DRIFT * drift


def _attention(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of the mean activity over channels (batch, channels) and over places (batch, height,
    width), 1 on average."""
    active = maps.abs()
    what = torch.softmax(active.mean((2, 3)) / _HEAT, 1) * maps.shape[1]
    places = active.mean(1)
    where = torch.softmax(places.flatten(1) / _HEAT, 1).view_as(places)
    return what, where * places[0].numel()


def _weights(regions: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Weights of places (batch, height, width) in boxes and around them; each sums up to at most 1
    in a sample. Of boxes over each other the smallest counts."""
    x = (torch.arange(width, device=regions.device) + 0.5) / width
    y = (torch.arange(height, device=regions.device) + 0.5) / height
    left, top, right, bottom = (side[..., None] for side in regions.unbind(-1))
    across, down = (x > left) & (x < right), (y > top) & (y < bottom)
    inside = down[..., :, None] & across[..., None, :]  # (batch, boxes, height, width)
    areas = inside.sum((2, 3), keepdim=True).clamp(min=1)
    seen = inside.flatten(2).any(2).sum(1).clamp(min=1)[:, None, None]
    things = (inside / areas).amax(1) / seen
    around = ~inside.any(1)
    rest = around / around.sum((1, 2), keepdim=True).clamp(min=1)
    return things, rest
