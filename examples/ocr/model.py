"""The teacher: convolutions along a line of writing, and the classes of each of its frames."""

from __future__ import annotations

import torch
from torch import nn

CLASSES = 11
"""The blank of connectionist temporal classification, then the ten digits."""


def convolution(
    inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(self.first(x)))


class LineNet(nn.Module):
    """(batch, 1, 16, 96) to logits (batch, 48 frames, 11 classes)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(1, width, (2, 2)),
            Residual(width),
            convolution(width, 2 * width, (2, 1)),
            Residual(2 * width),
            convolution(2 * width, 3 * width, (2, 1)),
            Residual(3 * width),
        )
        self.context = nn.Sequential(
            nn.Conv2d(3 * width, 3 * width, (2, 5), padding=(0, 2), bias=False),
            nn.BatchNorm2d(3 * width),
            nn.ReLU(),
        )
        self.head = nn.Linear(3 * width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = self.context(self.features(x)).flatten(2).transpose(1, 2)
        return self.head(frames)


def build() -> nn.Module:
    return LineNet()
