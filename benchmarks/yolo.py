"""A detector as small as YOLOv8's nano: backbone, pyramid both ways, heads with distributions.

Written from the published description of the architecture (Ultralytics YOLOv8: C2f blocks, SPPF,
decoupled heads; Li et al., 2020, for the distributions of sides).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINS, CLASSES = 16, 2
WIDTHS = (16, 32, 64, 128, 256)


def convolution(before: int, after: int, size: int = 1, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.SiLU(),
    )


class Bottleneck(nn.Module):
    def __init__(self, width: int, *, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        self.body = nn.Sequential(
            convolution(width, width, 3), convolution(width, width, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


class C2f(nn.Module):
    """Half of the channels go through bottlenecks; every result is concatenated."""

    def __init__(self, before: int, after: int, depth: int, *, skips: bool) -> None:
        super().__init__()
        half = after // 2
        self.enter = convolution(before, after)
        self.blocks = nn.ModuleList(Bottleneck(half, skips=skips) for _ in range(depth))
        self.leave = convolution((2 + depth) * half, after)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Three max poolings, one after another, beside each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = convolution(width, width // 2)
        self.leave = convolution(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


def head(before: int, width: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        convolution(before, width, 3),
        convolution(width, width, 3),
        nn.Conv2d(width, after, 1),
    )


class Yolo(nn.Module):
    """(batch, 3, h, w) to boxes (batch, places, 4 x 16) and logits (batch, places, classes)."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.stem = nn.Sequential(
            convolution(3, a, 3, 2), convolution(a, b, 3, 2), C2f(b, b, 1, skips=True)
        )
        self.third = nn.Sequential(convolution(b, c, 3, 2), C2f(c, c, 2, skips=True))
        self.fourth = nn.Sequential(convolution(c, d, 3, 2), C2f(d, d, 2, skips=True))
        self.fifth = nn.Sequential(
            convolution(d, e, 3, 2), C2f(e, e, 1, skips=True), SPPF(e)
        )
        self.up_fourth = C2f(e + d, d, 1, skips=False)
        self.up_third = C2f(d + c, c, 1, skips=False)
        self.down_third = convolution(c, c, 3, 2)
        self.out_fourth = C2f(c + d, d, 1, skips=False)
        self.down_fourth = convolution(d, d, 3, 2)
        self.out_fifth = C2f(d + e, e, 1, skips=False)
        self.boxes = nn.ModuleList(head(width, 64, 4 * BINS) for width in (c, d, e))
        self.scores = nn.ModuleList(head(width, 64, CLASSES) for width in (c, d, e))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        third = self.third(self.stem(x))
        fourth = self.fourth(third)
        fifth = self.fifth(fourth)
        up_fourth = self.up_fourth(
            torch.cat([F.interpolate(fifth, None, 2), fourth], 1)
        )
        out = self.up_third(torch.cat([F.interpolate(up_fourth, None, 2), third], 1))
        out_fourth = self.out_fourth(torch.cat([self.down_third(out), up_fourth], 1))
        out_fifth = self.out_fifth(torch.cat([self.down_fourth(out_fourth), fifth], 1))
        levels = (out, out_fourth, out_fifth)
        return {
            "boxes": _places(self.boxes, levels),
            "scores": _places(self.scores, levels),
        }


def _places(heads: nn.ModuleList, levels: tuple[Tensor, ...]) -> Tensor:
    found = [one(level) for one, level in zip(heads, levels, strict=True)]
    return torch.cat([each.flatten(2) for each in found], 2).transpose(1, 2)
