"""Projects whose networks read tokens: what each is, and which one is next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor, nn

from tests import tasks

TOKENS, VOCABULARY = tasks.TOKENS, tasks.VOCABULARY

TRANSFORMER = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.project = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def parted(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x):
        y = self.norm1(x)
        seen = nn.functional.scaled_dot_product_attention(
            *(self.parted(each(y)) for each in (self.query, self.key, self.value)),
            is_causal=self.causal,
        )
        x = x + self.project(seen.transpose(1, 2).flatten(2))
        return x + self.feed(self.norm2(x))


class Reader(nn.Module):
    def __init__(self, tokens=12, vocabulary=20, outputs={outputs}, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.zeros(1, tokens, width))
        self.block = Block(width, 4, {causal})
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens):
        return self.head(self.norm(self.block(self.embed(tokens) + self.place)))


def build():
    return Reader()
"""


def tagged(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (n, length), 0 where a text is over, and whether each is higher than, lower than or
    the same as the one before; unknown (-100) where there is none."""
    generator = np.random.default_rng(seed)
    x = generator.integers(1, VOCABULARY, (count, TOKENS))
    y = 1 + np.sign(np.diff(x, axis=1, prepend=x[:, :1]))
    over = np.arange(TOKENS) >= generator.integers(6, TOKENS + 1, (count, 1))
    x[over], y[over] = 0, -100
    return x, y


def spoken(count: int, seed: int) -> np.ndarray:
    """Tokens (n, length): each the double of the one before, or one more."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, VOCABULARY, (count, TOKENS))
    for place in range(1, TOKENS):
        x[:, place] = (
            2 * x[:, place - 1] + generator.integers(0, 2, count)
        ) % VOCABULARY
    return x


def write_token_classification(root: Path) -> Path:
    """A class for each token, padding unknown."""
    tasks.arrays(root, tagged, (500, 100))
    classes = 'classes = ["lower", "same", "higher"]'
    _write(root, "token-classification", 3, classes)
    tasks.train(root, _tokens, epochs=12)
    return root


def write_language_modeling(root: Path) -> Path:
    """The next token, of texts without any target: these follow from the texts."""
    tasks.arrays(root, lambda count, seed: (spoken(count, seed), None), (500, 100))
    _write(root, "language-modeling", VOCABULARY, "")
    tasks.train(root, _tokens, epochs=12)
    return root


def _write(root: Path, kind: str, outputs: int, task: str) -> None:
    causal = kind == "language-modeling"
    code = TRANSFORMER.replace("{outputs}", str(outputs))
    (root / "model.py").write_text(code.replace("{causal}", str(causal)))
    tasks.write_toml(
        root,
        kind=kind,
        shape=[TOKENS],
        dtype="int64",
        mmacs=0.08,
        drop=0.1,
        task=task,
        runtime="onnxruntime",
        precision="fp32",
        recipe='optimizer = "adamw"',
    )


def _tokens(outputs: Tensor, targets: Tensor) -> Tensor:
    loss: Tensor = nn.functional.cross_entropy(
        outputs.flatten(0, 1), targets.flatten().long(), ignore_index=-1
    )
    return loss
