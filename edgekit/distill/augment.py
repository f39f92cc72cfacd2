"""Random changes of training images that do not change their class.

Sampling and execution are apart: the parameters of a whole batch are the same in every
process, and each process applies its part of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgekit.types import Preprocess

SHIFT = 8
"""Images move by up to one part in so many of their size, at least a pixel."""
KINDS = ("none", "shift", "shift-flip")


@dataclass(frozen=True, kw_only=True)
class AugmentParams:
    """Augmentation of each of n images: its shift, and whether it is mirrored."""

    top: Tensor
    left: Tensor
    mirror: Tensor | None

    def __getitem__(self, indices: Tensor | slice) -> AugmentParams:
        return AugmentParams(
            top=self.top[indices],
            left=self.left[indices],
            mirror=None if self.mirror is None else self.mirror[indices],
        )


def draw(
    count: int, shape: tuple[int, ...], kind: str, generator: torch.Generator
) -> AugmentParams | None:
    """Changes for `count` samples of `shape`; `None` where they stay as they are."""
    if kind == "none" or len(shape) != 3:
        return None
    _, height, width = shape
    mirror = None
    if kind == "shift-flip":
        mirror = torch.rand(count, generator=generator) < 0.5
    return AugmentParams(
        top=torch.randint(2 * _reach(height) + 1, (count, 1), generator=generator),
        left=torch.randint(2 * _reach(width) + 1, (count, 1), generator=generator),
        mirror=mirror,
    )


def augment(
    x: Tensor, augmentation: AugmentParams | None, preprocess: Preprocess
) -> Tensor:
    """Images (n, channels, height, width), each moved, and mirrored where it was drawn.

    What a shift uncovers is a raw value of 0, preprocessed.
    """
    if augmentation is None:
        return x
    return _moved(
        x, augmentation, -torch.tensor(preprocess.mean) / torch.tensor(preprocess.std)
    )


def along(masks: Tensor, augmentation: AugmentParams | None) -> Tensor:
    """Maps of targets (n, height, width) moved as their images are; pixels that a shift
    uncovers get the unknown label."""
    if augmentation is None:
        return masks
    unknown = float("nan") if masks.is_floating_point() else -1
    return _moved(masks[:, None], augmentation, masks.new_tensor([unknown]))[:, 0]


def _moved(x: Tensor, augmentation: AugmentParams, fill: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    down, across = _reach(height), _reach(width)
    padded = fill.expand(channels)[None, :, None, None].repeat(
        n, 1, height + 2 * down, width + 2 * across
    )
    padded[:, :, down : down + height, across : across + width] = x
    rows = augmentation.top + torch.arange(height)
    columns = augmentation.left + torch.arange(width)
    if augmentation.mirror is not None:
        wide = width + 2 * across
        columns = torch.where(augmentation.mirror[:, None], wide - 1 - columns, columns)
    places = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
    chosen = places.reshape(n, 1, -1).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, chosen).reshape(x.shape)


def _reach(size: int) -> int:
    return max(1, size // SHIFT)
