"""The teacher: a transformer encoder (Vaswani et al., 2017, arXiv:1706.03762) over bytes.

A convolution first joins every five bytes to a token, two bytes from one to the next.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

LENGTH = 48
BYTES = 256
JOINED, STEP = 5, 2


class Block(nn.Module):
    """Attention, then two layers for each byte by itself, each normalized before and added."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mixture = nn.Linear(width, width)
        self.before_layers = nn.LayerNorm(width)
        self.wide = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        query, key, value = (
            part.reshape(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.query_key_value(self.before_attention(x)).chunk(3, dim=2)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = self.mixture(mixed.transpose(1, 2).reshape(batch, length, width))
        x = x + self.dropout(mixed)
        hidden = F.gelu(self.wide(self.before_layers(x)))
        return x + self.dropout(self.narrow(hidden))


class TextNet(nn.Module):
    """(batch, 48) bytes to (batch, 16) logits."""

    def __init__(
        self,
        width: int = 64,
        depth: int = 3,
        heads: int = 4,
        hidden: int = 128,
        classes: int = 16,
    ) -> None:
        super().__init__()
        self.letters = nn.Embedding(BYTES, width)
        self.join = nn.Conv1d(width, width, JOINED, STEP, JOINED // 2)
        self.places = nn.Parameter(torch.randn(LENGTH // STEP, width) * 0.02)
        self.blocks = nn.Sequential(
            *(Block(width, heads, hidden) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        joined = self.join(self.letters(tokens).transpose(1, 2)).transpose(1, 2)
        x = self.blocks(F.gelu(joined) + self.places)
        return self.head(self.norm(x).mean(1))


def build() -> nn.Module:
    return TextNet()
