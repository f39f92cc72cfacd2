"""The importance of a decoder's blocks, MLP units and key-value heads.

Measured on the user's text, in one pass, with one block in memory. A block's influence is one
minus the cosine between the hidden states before and after it (ShortGPT, Men et al. 2024). A
unit's importance is the mean norm of what it adds to its MLP's output, a key-value head's that of
what the attention heads that it serves add to the attention's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.decoders import streaming
from edgekit.decoders.decoder import Decoder
from edgekit.progress import Progress, Silent


@dataclass(frozen=True, kw_only=True)
class BlockScores:
    """One block's scores; higher matters more."""

    influence: float
    units: Tensor
    """Of each unit of the MLP."""
    groups: Tensor
    """Of each key-value head with the attention heads that it serves."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The scores of each block, and the perplexity of the uncut decoder on the same text."""

    blocks: Sequence[BlockScores]
    perplexity: float


@torch.no_grad()
def measure(
    decoder: Decoder, tokens: Tensor, progress: Progress | None = None
) -> Importance:
    """Score every block on rows of tokens (rows, length).

    Raises `ModelError` for damaged folders.
    """
    hidden = streaming.embed(decoder, tokens)
    scores = []
    with (progress or Silent()).step("Measuring the blocks") as step:
        for index in range(decoder.blocks):
            step.update(index, decoder.blocks)
            scores.append(_block(decoder, index, hidden))
    loss = streaming.nll(decoder, hidden, tokens)
    return Importance(blocks=scores, perplexity=float(torch.tensor(loss).exp()))


def _block(decoder: Decoder, index: int, hidden: Tensor) -> BlockScores:
    """The scores of a block; `hidden`, the states before it, become those behind it."""
    network = streaming.block(decoder, index)
    layer = network.layers[0]
    units = _Units(layer.mlp.down_proj)
    groups = _Groups(layer.self_attn.o_proj, decoder.groups)
    before = hidden.clone()
    streaming.forward(decoder, hidden, network, index)
    cosines = [
        F.cosine_similarity(old, new, dim=-1)
        for old, new in zip(before, hidden, strict=True)
    ]
    return BlockScores(
        influence=float(1 - torch.stack(cosines).mean()),
        units=units.scores(),
        groups=groups.scores(),
    )


class _Units:
    """Mean norm of what each input of a linear layer adds to its output."""

    def __init__(self, linear: nn.Linear) -> None:
        self._norms = linear.weight.norm(dim=0)
        self._squares = torch.zeros_like(self._norms)
        self._count = 0
        linear.register_forward_pre_hook(self._add)

    def _add(self, _: Any, given: tuple[Tensor, ...]) -> None:
        values = given[0].flatten(0, -2)
        self._squares += values.square().sum(0)
        self._count += len(values)

    def scores(self) -> Tensor:
        """Of each input, root mean square over the tokens."""
        found: Tensor = (self._squares / self._count).sqrt() * self._norms
        return found


class _Groups:
    """Mean norm of what each of equal parts of a linear layer's inputs adds to its output."""

    def __init__(self, linear: nn.Linear, parts: int) -> None:
        self._weights = linear.weight.chunk(parts, dim=1)
        self._squares = torch.zeros(parts)
        self._count = 0
        linear.register_forward_pre_hook(self._add)

    def _add(self, _: Any, given: tuple[Tensor, ...]) -> None:
        values = given[0].flatten(0, -2)
        inputs = values.chunk(len(self._weights), dim=1)
        for part, (each, weight) in enumerate(zip(inputs, self._weights, strict=True)):
            self._squares[part] += (each @ weight.T).square().sum()
        self._count += len(values)

    def scores(self) -> Tensor:
        """Of each part, root mean square over the tokens."""
        return (self._squares / self._count).sqrt()
