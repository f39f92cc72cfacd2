"""Random changes of training images that do not change their class.

Sampling and execution are apart: the parameters of a whole batch are the same in every
process, and each process applies its part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.distill import rand_augment
from edgekit.distill.rand_augment import RandParams
from edgekit.errors import TrainingError
from edgekit.tasks.targets import NO_BOX
from edgekit.types import Preprocess

SHIFT = 8
"""Images move by up to one part in so many of their size, at least a pixel."""
KINDS = ("none", "shift", "shift-flip", "scale-flip", "rand", "rand-flip")
NO_PLACES = (
    "[recipe.distill] augment = 'rand' turns and shears images, which boxes, masks and other "
    "values of places do not follow. Set 'shift-flip'."
)
_SCALES = (0.6, 1.4)
_WANDER = 0.1
"""Part of an image's half by which scaled ones move beyond what their size leaves."""
_SEEN = 0.2
"""Part of a box that has to stay within the image, or it is none."""


@dataclass(frozen=True, kw_only=True)
class AugmentParams:
    """Augmentation of each of n images: its shift, and whether it is mirrored; or its scale."""

    top: Tensor
    left: Tensor
    mirror: Tensor | None
    scale: Tensor | None = None
    """(n, 3): the scale, and the center's move by (x, y) as a part of half of the image; then
    there is no other shift."""
    rand: RandParams | None = None
    """Operations of RandAugment, before the shift."""

    def __getitem__(self, indices: Tensor | slice) -> AugmentParams:
        return AugmentParams(
            top=self.top[indices],
            left=self.left[indices],
            mirror=None if self.mirror is None else self.mirror[indices],
            scale=None if self.scale is None else self.scale[indices],
            rand=None if self.rand is None else self.rand[indices],
        )


def draw(
    count: int, shape: tuple[int, ...], kind: str, generator: torch.Generator
) -> AugmentParams | None:
    """Changes for `count` samples of `shape`; `None` where they stay as they are."""
    if kind == "none" or len(shape) != 3:
        return None
    _, height, width = shape
    mirror = scale = None
    if kind.endswith("flip"):
        mirror = torch.rand(count, generator=generator) < 0.5
    if kind.startswith("scale"):
        low, high = _SCALES
        scale = low + (high - low) * torch.rand(count, 1, generator=generator)
        room = (scale - 1).abs() + _WANDER
        moved = (2 * torch.rand(count, 2, generator=generator) - 1) * room
        scale = torch.cat([scale, moved], 1)
    return AugmentParams(
        top=torch.randint(2 * _reach(height) + 1, (count, 1), generator=generator),
        left=torch.randint(2 * _reach(width) + 1, (count, 1), generator=generator),
        mirror=mirror,
        scale=scale,
        rand=rand_augment.draw(count, generator) if kind.startswith("rand") else None,
    )


def augment(
    x: Tensor, augmentation: AugmentParams | None, preprocess: Preprocess
) -> Tensor:
    """Images (n, channels, height, width), each moved, and mirrored where it was drawn.

    What a shift uncovers is a raw value of 0, preprocessed.
    """
    if augmentation is None:
        return x
    if augmentation.rand is not None:
        x = rand_augment.apply(x, augmentation.rand, preprocess)
    return _moved(
        x, augmentation, -torch.tensor(preprocess.mean) / torch.tensor(preprocess.std)
    )


def along(masks: Tensor, augmentation: AugmentParams | None) -> Tensor:
    """Maps of targets (n, height, width), or in layers (n, layers, height, width), moved as their
    images are, the class of a scaled map's pixel its nearest's; pixels that a change uncovers get
    the unknown label."""
    if augmentation is None:
        return masks
    _refuse_places(augmentation)
    if masks.ndim > 3:
        each = (along(layer, augmentation) for layer in masks.unbind(1))
        return torch.stack([*each], 1)
    if augmentation.scale is not None:
        if masks.is_floating_point():
            raise TrainingError(
                "[recipe.distill] augment = 'scale-flip' scales maps of classes, and these targets "
                "are values. Set 'shift-flip'."
            )
        whole = masks[:, None].float()  # exact: classes are below 2**24
        moved = _scaled(whole, augmentation, whole.new_tensor([-1.0]), "nearest")
        return moved[:, 0].to(masks.dtype)
    unknown = float("nan") if masks.is_floating_point() else -1
    return _moved(masks[:, None], augmentation, masks.new_tensor([unknown]))[:, 0]


def moved_boxes(
    boxes: Tensor, augmentation: AugmentParams | None, size: Sequence[int]
) -> Tensor:
    """Boxes (n, boxes, 5) moved as their images of `size` (height, width) are, and cut off at the
    edge; those of which little is left become rows without a box."""
    if augmentation is None:
        return boxes
    _refuse_places(augmentation)
    factor, offset = _affine(augmentation, size)
    ends = boxes[..., :4].reshape(*boxes.shape[:2], 2, 2) * factor[:, None, None]
    ends = ends + offset[:, None, None]
    corners = torch.stack([ends.amin(2), ends.amax(2)], 2)
    edge = corners.new_tensor([size[1], size[0]])
    within = torch.minimum(corners.clamp(min=0), edge)
    seen, whole = (
        (part[..., 1, :] - part[..., 0, :]).prod(-1) for part in (within, corners)
    )
    moved = torch.cat([within.flatten(2), boxes[..., 4:]], 2)
    lost = (boxes[..., 4] < 0) | (seen < _SEEN * whole)
    return torch.where(lost[..., None], boxes.new_tensor(NO_BOX), moved)


def _refuse_places(augmentation: AugmentParams) -> None:
    """Raise `TrainingError` where images are turned, and targets that are places are not."""
    if augmentation.rand is not None:
        raise TrainingError(NO_PLACES)


def _affine(augmentation: AugmentParams, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Factor and offset of (x, y) in pixels of each image, (n, 2) each."""
    height, width = size
    sides = torch.tensor([width, height], dtype=torch.float32)
    factor = torch.ones(len(augmentation.top), 2)
    if augmentation.mirror is not None:
        factor[:, 0] = 1 - 2 * augmentation.mirror.float()
    if augmentation.scale is not None:
        factor = factor * augmentation.scale[:, :1]
        return factor, sides / 2 * (1 + augmentation.scale[:, 1:] - factor)
    shift = torch.cat(
        [_reach(width) - augmentation.left, _reach(height) - augmentation.top], 1
    )
    return factor, shift + sides * (factor < 0)


def _scaled(
    x: Tensor, augmentation: AugmentParams, fill: Tensor, mode: str = "bilinear"
) -> Tensor:
    """Images of another scale, by interpolation."""
    sides = torch.tensor([x.shape[3], x.shape[2]], dtype=torch.float32)
    factor, offset = _affine(augmentation, x.shape[2:])
    center = 2 * offset / sides + factor - 1
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = (1 / factor).unbind(1)
    theta[:, :, 2] = -center / factor
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    base = fill.expand(x.shape[1])[None, :, None, None]
    return F.grid_sample(x - base, grid, mode=mode, align_corners=False) + base


def _moved(x: Tensor, augmentation: AugmentParams, fill: Tensor) -> Tensor:
    if augmentation.scale is not None:
        return _scaled(x, augmentation, fill)
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
