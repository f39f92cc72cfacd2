"""Runs a decoder in transformers' own modules, with the weights of one block in memory.

A network of one block is built, and each block's weights take their turn in it. Everything is
computed in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.decoders.decoder import EMBEDDING, HEAD, NORM, Decoder, one_block
from edgekit.errors import ModelError

_ROWS = 4
"""Rows of text that go through a block at once."""


def embed(decoder: Decoder, tokens: Tensor) -> Tensor:
    """The hidden states (rows, length, hidden size) before the first block."""
    table = decoder.tensors((EMBEDDING,))[EMBEDDING]
    found = F.embedding(tokens, table).float()
    if decoder.family.scaled_embedding:
        found *= torch.tensor(float(decoder.parsed.hidden_size) ** 0.5)
    return found


def block(decoder: Decoder, index: int) -> Any:
    """The network of block `index` alone: it takes and gives hidden states (see `apply`)."""
    network = _empty(decoder, index)
    network.rotary_emb = rotary(decoder, index)
    network.embed_tokens = network.norm = nn.Identity()
    weights = {name: t.float() for name, t in decoder.block(index).items()}
    network.layers[0].load_state_dict(weights, assign=True)
    return network.eval()


def rotary(decoder: Decoder, index: int = 0) -> Any:
    """The module of transformers that gives cosines and sines of positions."""
    return type(_empty(decoder, index).rotary_emb)(one_block(decoder.parsed, index))


def _empty(decoder: Decoder, index: int) -> Any:
    """A network of one block without weights."""
    from transformers import MODEL_MAPPING

    config = one_block(decoder.parsed, index)
    with torch.device("meta"):
        return MODEL_MAPPING[type(config)](config)


def apply(network: Any, hidden: Tensor) -> Tensor:
    """The hidden states after a block, for those before it."""
    after: Tensor = network(inputs_embeds=hidden, use_cache=False).last_hidden_state
    return after


@torch.no_grad()
def forward(decoder: Decoder, hidden: Tensor, network: Any, index: int) -> None:
    """Bring the hidden states of all rows, in place, behind block `index`.

    Raises `ModelError` where they are not finite.
    """
    for start in range(0, len(hidden), _ROWS):
        rows = hidden[start : start + _ROWS]
        rows.copy_(apply(network, rows))
    if not hidden.isfinite().all():
        raise ModelError(
            f"{decoder.folder}: values are not finite behind block {index}. Check its weights."
        )


@torch.no_grad()
def nll(decoder: Decoder, hidden: Tensor, tokens: Tensor) -> float:
    """The mean negative log-likelihood of each next token, in nats.

    `hidden` are the states behind the last block.
    """
    norm, table = _head(decoder)
    losses = [
        F.cross_entropy(F.linear(norm(states[:-1]), table), row[1:], reduction="sum")
        for states, row in zip(hidden, tokens, strict=True)
    ]
    return float(sum(losses)) / (tokens.shape[0] * (tokens.shape[1] - 1))


def perplexity(decoder: Decoder, tokens: Tensor) -> float:
    """The perplexity of rows of text (rows, length), each by itself."""
    hidden = embed(decoder, tokens)
    for index in range(decoder.blocks):
        forward(decoder, hidden, block(decoder, index), index)
    return float(torch.tensor(nll(decoder, hidden, tokens)).exp())


def _head(decoder: Decoder) -> tuple[nn.Module, Tensor]:
    """The last norm, and the matrix from hidden states to logits."""
    norm: nn.Module = _empty(decoder, 0).norm
    name = EMBEDDING if decoder.is_tied else HEAD
    found = decoder.tensors((NORM, name))
    norm.load_state_dict({"weight": found[NORM].float()}, assign=True)
    return norm, found[name].float()
