"""A small detector after YOLOv8: strides 8, 16 and 32, sides as distributions, no anchors.

The blocks are those of https://docs.ultralytics.com/models/yolov8, written for this example: two
ways through a stage, pooling at the end, features summed up and
down, a head for boxes and one for classes.
ReLU in the place of SiLU, which int8 kernels have.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 3
BINS = 8
STRIDES = (8, 16, 32)


def layer(given: int, wide: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    convolution = nn.Conv2d(given, wide, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wide), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, wide: int, add: bool) -> None:
        super().__init__()
        self.inner, self.add = nn.Sequential(layer(wide, wide), layer(wide, wide)), add

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x) if self.add else self.inner(x)


class Stage(nn.Module):
    """Half of the channels goes through a residual block, all of them are joined again."""

    def __init__(self, given: int, wide: int, *, add: bool = True) -> None:
        super().__init__()
        half = wide // 2
        self.one, self.two = layer(given, half, 1), layer(given, half, 1)
        self.block = Residual(half, add)
        self.last = layer(3 * half, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.one(x), self.two(x)
        return self.last(torch.cat([one, two, self.block(two)], 1))


class Pooling(nn.Module):
    """The highest of ever larger neighborhoods."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.first, self.last = layer(wide, wide // 2, 1), layer(wide * 2, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.first(x)]
        for _ in range(3):
            found.append(F.max_pool2d(found[-1], 5, 1, 2))
        return self.last(torch.cat(found, 1))


class Head(nn.Module):
    """Distributions of the four sides, and a score a class, of each place of a level."""

    def __init__(self, given: int, wide: int) -> None:
        super().__init__()
        self.boxes = nn.Sequential(
            layer(given, wide), layer(wide, wide), nn.Conv2d(wide, 4 * BINS, 1)
        )
        self.scores = nn.Sequential(
            layer(given, wide), layer(wide, wide), nn.Conv2d(wide, CLASSES, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.boxes(x).flatten(2), self.scores(x).flatten(2)


class Detector(nn.Module):
    """Images (n, 3, height, width) to `boxes` (n, places, 4 * BINS) and `scores` (n, places,
    CLASSES), logits."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        a, b, c, d = width, 2 * width, 4 * width, 6 * width
        self.stem = nn.Sequential(layer(3, a, 3, 2), layer(a, b, 3, 2), Stage(b, b))
        self.third = nn.Sequential(layer(b, c, 3, 2), Stage(c, c))
        self.fourth = nn.Sequential(layer(c, d, 3, 2), Stage(d, d))
        self.fifth = nn.Sequential(layer(d, d, 3, 2), Stage(d, d), Pooling(d))
        self.up_fourth, self.up_third = (
            Stage(2 * d, d, add=False),
            Stage(d + c, c, add=False),
        )
        self.down_fourth, self.down_fifth = layer(c, c, 3, 2), layer(d, d, 3, 2)
        self.out_fourth, self.out_fifth = (
            Stage(c + d, d, add=False),
            Stage(2 * d, d, add=False),
        )
        self.heads = nn.ModuleList([Head(wide, 2 * width) for wide in (c, d, d)])
        for head, stride in zip(self.heads, STRIDES, strict=True):
            nn.init.constant_(
                head.scores[-1].bias, math.log(5 / CLASSES / (640 / stride) ** 2)
            )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        third = self.third(self.stem(x))
        fourth = self.fourth(third)
        fifth = self.fifth(fourth)
        fourth = self.up_fourth(
            torch.cat([F.interpolate(fifth, scale_factor=2.0), fourth], 1)
        )
        third = self.up_third(
            torch.cat([F.interpolate(fourth, scale_factor=2.0), third], 1)
        )
        fourth = self.out_fourth(torch.cat([self.down_fourth(third), fourth], 1))
        fifth = self.out_fifth(torch.cat([self.down_fifth(fourth), fifth], 1))
        levels = zip(self.heads, (third, fourth, fifth), strict=True)
        boxes, scores = zip(*(head(x) for head, x in levels), strict=True)
        return {"boxes": torch.cat(boxes, 2).mT, "scores": torch.cat(scores, 2).mT}


def build() -> nn.Module:
    """The network of `edgekit.toml`."""
    return Detector()
