"""The teacher: a one-dimensional network with full and depthwise separable convolutions.

The bands of the spectrum are its channels, and it convolves over time, after Choi et al., 2019,
"Temporal Convolution for Real-time Keyword Spotting on Mobile Devices", arXiv:1904.03814.
"""

from __future__ import annotations

import torch
from torch import nn


def convolution(
    inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm1d(outputs),
    )


class Separable(nn.Module):
    """More channels, a filter for each by itself, fewer channels; a shortcut around all three."""

    def __init__(self, width: int, hidden: int, size: int) -> None:
        super().__init__()
        self.expand = convolution(width, hidden, size=1)
        self.depthwise = convolution(hidden, hidden, size, groups=hidden)
        self.project = convolution(hidden, width, size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.expand(x))
        return torch.relu(x + self.project(torch.relu(self.depthwise(y))))


class WordNet(nn.Module):
    """(batch, 24, 40) bands and frames to (batch, 12) logits."""

    def __init__(
        self, bands: int = 24, width: int = 64, hidden: int = 128, classes: int = 12
    ) -> None:
        super().__init__()
        self.stem = convolution(bands, width, size=5)
        self.early = nn.Sequential(*(Separable(width, hidden, 9) for _ in range(2)))
        self.down = convolution(width, width, stride=2)
        self.late = nn.Sequential(*(Separable(width, hidden, 9) for _ in range(3)))
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.early(torch.relu(self.stem(x)))
        x = self.late(torch.relu(self.down(x)))
        return self.head(x.mean(2))


def build() -> nn.Module:
    return WordNet()
