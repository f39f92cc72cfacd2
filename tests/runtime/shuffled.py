"""A network with an operator that LiteRT 2.14 lacks."""

from __future__ import annotations

import torch
from torch import nn


class Shuffled(nn.Module):
    """Writes channels in another order by `scatter`, which LiteRT 2.14 has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.arange(x.shape[1] - 1, -1, -1).reshape(1, -1, 1, 1).expand_as(x)
        return torch.zeros_like(x).scatter(1, order, x)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(8, 8, 3, padding=1)
        self.mix = Shuffled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.relu(self.conv_in(x)))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.Sequential(Block())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))
