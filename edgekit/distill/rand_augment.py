"""RandAugment: two random operations an image (Cubuk et al., 2020, arXiv:1909.13719).

At the strength 9 of 30, the default of the implementations. Translations are left to the shift
that comes with every augmentation; posterizing, which takes one bit of eight at this strength,
and equalizing are left out. Operations on values take the image's own range, because that of
arrays and features is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.types import Preprocess

PER_IMAGE = 2
_STRENGTH = 9 / 30
_SHEAR, _TURN, _FACTOR = 0.3 * _STRENGTH, math.radians(30) * _STRENGTH, 0.9 * _STRENGTH
_SOLARIZED = _STRENGTH
"""Upper part of the range whose values are inverted."""
_CENTER = 4 / 13
"""Weight of a pixel itself in the smoothed image, beside the mean of its 3 x 3."""
_IMAGE = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class RandParams:
    """Operations of each of n images, by number, and their directions, -1 or 1: (n, 2) each."""

    operations: Tensor
    signs: Tensor

    def __getitem__(self, indices: Tensor | slice) -> RandParams:
        return RandParams(
            operations=self.operations[indices], signs=self.signs[indices]
        )


def draw(count: int, generator: torch.Generator) -> RandParams:
    """Two operations for each of `count` images."""
    shape = count, PER_IMAGE
    return RandParams(
        operations=torch.randint(len(OPERATIONS), shape, generator=generator),
        signs=2.0 * torch.randint(2, shape, generator=generator) - 1,
    )


def apply(x: Tensor, params: RandParams, preprocess: Preprocess) -> Tensor:
    """Preprocessed images (n, channels, height, width) after their operations.

    What turning and shearing uncovers is a raw value of 0, preprocessed.
    """
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (preprocess.mean, preprocess.std)
    )
    values = x * std + mean
    for numbers, signs in zip(params.operations.T, params.signs.T, strict=True):
        for number, operation in enumerate(OPERATIONS.values()):
            rows = (numbers == number).nonzero()[:, 0]
            if len(rows):
                sign = signs[rows, None, None, None]
                values[rows] = operation(values[rows], sign)
    return (values - mean) / std


def _keep(x: Tensor, sign: Tensor) -> Tensor:
    return x


def _shear_across(x: Tensor, sign: Tensor) -> Tensor:
    return _warped(x, 1.0, _SHEAR * sign, 0.0)


def _shear_down(x: Tensor, sign: Tensor) -> Tensor:
    return _warped(x, 1.0, 0.0, _SHEAR * sign)


def _rotate(x: Tensor, sign: Tensor) -> Tensor:
    side = math.sin(_TURN) * sign
    return _warped(x, math.cos(_TURN), -side, side)


def _brightness(x: Tensor, sign: Tensor) -> Tensor:
    return _away(x, torch.zeros(()), sign)


def _contrast(x: Tensor, sign: Tensor) -> Tensor:
    return _away(x, x.mean(_IMAGE, keepdim=True), sign)


def _saturation(x: Tensor, sign: Tensor) -> Tensor:
    return _away(x, x.mean(1, keepdim=True), sign)


def _sharpness(x: Tensor, sign: Tensor) -> Tensor:
    mean = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return _away(x, mean + _CENTER * (x - mean), sign)


def _solarize(x: Tensor, sign: Tensor) -> Tensor:
    low, high = _range(x)
    return torch.where(x > high - _SOLARIZED * (high - low), low + high - x, x)


def _away(x: Tensor, base: Tensor, sign: Tensor) -> Tensor:
    """Images moved away from `base` or towards it, within their range."""
    low, high = _range(x)
    moved = base + (1 + _FACTOR * sign) * (x - base)
    return torch.minimum(torch.maximum(moved, low), high)


def _range(x: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest value of each image, and black: (n, 1, 1, 1) each."""
    least, largest = x.amin(_IMAGE, keepdim=True), x.amax(_IMAGE, keepdim=True)
    return least.clamp(max=0), largest.clamp(min=0)


def _warped(
    x: Tensor, along: float, across: Tensor | float, down: Tensor | float
) -> Tensor:
    """Images read at (x, y) -> (along x + across y, down x + along y) from their centers, in
    pixels."""
    n, _, height, width = x.shape
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = along
    theta[:, 0, 1] = torch.as_tensor(across).flatten() * (height / width)
    theta[:, 1, 0] = torch.as_tensor(down).flatten() * (width / height)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "keep": _keep,
    "shear across": _shear_across,
    "shear down": _shear_down,
    "rotate": _rotate,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "sharpness": _sharpness,
    "solarize": _solarize,
}
"""By name: from images whose black is 0 and directions (n, 1, 1, 1) to images."""
