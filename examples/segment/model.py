"""The teacher: a small U-Net (Ronneberger et al., 2015, arXiv:1505.04597)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 2
"""Photograph and ink."""


def convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """(batch, 3, 32, 32) images to (batch, 2, 32, 32) logits; sides in multiples of four."""

    def __init__(self, width: int = 16, classes: int = CLASSES) -> None:
        super().__init__()
        self.fine = convolutions(3, width)
        self.middle = convolutions(width, 2 * width)
        self.coarse = convolutions(2 * width, 4 * width)
        self.to_middle = nn.Conv2d(4 * width, 2 * width, 1)
        self.join_middle = convolutions(4 * width, 2 * width)
        self.to_fine = nn.Conv2d(2 * width, width, 1)
        self.join_fine = convolutions(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.fine(x)
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        x = F.interpolate(self.to_middle(coarse), scale_factor=2.0)
        middle = self.join_middle(torch.cat([middle, x], 1))
        x = F.interpolate(self.to_fine(middle), scale_factor=2.0)
        return self.head(self.join_fine(torch.cat([fine, x], 1)))


def build() -> nn.Module:
    return UNet()
