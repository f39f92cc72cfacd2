"""The teacher: a small residual network with full and depthwise convolutions."""

from __future__ import annotations

import torch
from torch import nn


def convolution(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = convolution(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; a shortcut where shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int = 1
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = convolution(inputs, hidden, size=1)
        self.depthwise = convolution(hidden, hidden, stride=stride, groups=hidden)
        self.project = convolution(hidden, outputs, size=1)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.expand(x))
        y = self.project(torch.relu(self.depthwise(y)))
        return x + y if self.shortcut else y


class DigitNet(nn.Module):
    """(batch, 1, 8, 8) to (batch, 10) logits."""

    def __init__(self, width: int = 48, classes: int = 10) -> None:
        super().__init__()
        self.stem = convolution(1, width)
        self.fine = nn.Sequential(Residual(width), Residual(width))
        self.down = InvertedResidual(width, 2 * width, expansion=2, stride=2)
        self.coarse = nn.Sequential(
            InvertedResidual(2 * width, 2 * width, expansion=2),
            Residual(2 * width),
            InvertedResidual(2 * width, 2 * width, expansion=2),
        )
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = self.coarse(self.down(self.fine(x)))
        return self.head(x.mean((2, 3)))


def build() -> nn.Module:
    return DigitNet()
