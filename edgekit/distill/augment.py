"""Random changes of training images that do not change their class."""

from __future__ import annotations

import torch
from torch import Tensor

from edgekit.types import Preprocess

SHIFT = 8
"""Images move by up to one part in so many of their size, at least a pixel."""


def augment(
    x: Tensor, kind: str, preprocess: Preprocess, generator: torch.Generator
) -> Tensor:
    """Images (n, channels, height, width), each moved, and flipped where `kind` says so.

    Other inputs come back as they are. What a shift uncovers is a raw value of 0, preprocessed.
    """
    if kind == "none" or x.ndim != 4:
        return x
    if kind == "shift-flip":
        flip = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(flip[:, None, None, None], x.flip(3), x)
    return _shifted(x, preprocess, generator)


def _shifted(x: Tensor, preprocess: Preprocess, generator: torch.Generator) -> Tensor:
    n, channels, height, width = x.shape
    down, across = max(1, height // SHIFT), max(1, width // SHIFT)
    fill = -torch.tensor(preprocess.mean) / torch.tensor(preprocess.std)
    padded = fill.expand(channels)[None, :, None, None].repeat(
        n, 1, height + 2 * down, width + 2 * across
    )
    padded[:, :, down : down + height, across : across + width] = x
    top = torch.randint(2 * down + 1, (n, 1), generator=generator)
    left = torch.randint(2 * across + 1, (n, 1), generator=generator)
    rows = (top + torch.arange(height))[:, None, :, None]
    columns = (left + torch.arange(width))[:, None, None, :]
    return padded[
        torch.arange(n)[:, None, None, None],
        torch.arange(channels)[None, :, None, None],
        rows,
        columns,
    ]
