"""Transformers beside the vision ones: transformers' BERT and Llama, and own encoders."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from edgekit.types import InputSpec
from tests.zoo.entry import Entry


class Logits(nn.Module):
    """A network of `transformers` as one that takes token numbers and returns its logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.network(tokens, return_dict=False)[0]


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=200,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    return Logits(BertForSequenceClassification(config))


def llama() -> nn.Module:
    """Rotary positions, RMS norm, gated MLP, and two query heads for each key-value head."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=200,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        max_position_embeddings=32,
        use_cache=False,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return Logits(LlamaForCausalLM(config))


class GroupedAttention(nn.Module):
    """Six query heads over three key-value heads (Ainslie et al., 2023)."""

    def __init__(self, width: int, heads: int = 6, shared: int = 3) -> None:
        super().__init__()
        self.heads, self.shared, self.size = heads, shared, width // heads
        self.query = nn.Linear(width, heads * self.size)
        self.key = nn.Linear(width, shared * self.size)
        self.value = nn.Linear(width, shared * self.size)
        self.out = nn.Linear(heads * self.size, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape

        def split(y: torch.Tensor, heads: int) -> torch.Tensor:
            return y.view(batch, length, heads, self.size).transpose(1, 2)

        query = split(self.query(x), self.heads)
        key, value = (
            split(part, self.shared).repeat_interleave(self.heads // self.shared, dim=1)
            for part in (self.key(x), self.value(x))
        )
        y = F.scaled_dot_product_attention(query, key, value)
        return self.out(
            y.transpose(1, 2).reshape(batch, length, self.heads * self.size)
        )


class GroupedEncoder(nn.Module):
    def __init__(self, width: int = 48, depth: int = 2, classes: int = 6) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, width)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.1)
        self.attention = nn.ModuleList(GroupedAttention(width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * depth))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 96), nn.GELU(), nn.Linear(96, width))
            for _ in range(depth)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens) + self.position
        for i, (attend, mlp) in enumerate(zip(self.attention, self.mlps, strict=True)):
            x = x + attend(self.norms[2 * i](x))
            x = x + mlp(self.norms[2 * i + 1](x))
        return self.head(x.mean(1))


class EinsumAttention(nn.Module):
    """Attention written with einsum, queries, keys and values from one matrix."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, self.size)
        query, key, value = qkv.unbind(2)
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) * self.size**-0.5
        y = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), value)
        return self.out(y.reshape(batch, length, width))


class FeedForward(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.SiLU(),
            nn.Linear(3 * width, width),
        )


class ConvolutionModule(nn.Module):
    """Gated pointwise convolution, depthwise convolution over time, pointwise back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.leave = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.glu(self.gate(self.norm(x).transpose(1, 2)), dim=1)
        y = F.silu(self.batch_norm(self.depthwise(y)))
        return self.leave(y).transpose(1, 2)


class Conformer(nn.Module):
    """A Conformer block between a projection and a head (Gulati et al., 2020)."""

    def __init__(self, width: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.enter = nn.Linear(40, width)
        self.first, self.last = FeedForward(width), FeedForward(width)
        self.norm = nn.LayerNorm(width)
        self.attention = EinsumAttention(width)
        self.convolution = ConvolutionModule(width)
        self.final = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        x = x + 0.5 * self.first(x)
        x = x + self.attention(self.norm(x))
        x = x + self.convolution(x)
        return self.head(self.final(x + 0.5 * self.last(x)))


_TOKENS = (InputSpec(name="tokens", shape=(16,)),)

ENTRIES: dict[str, Entry] = {
    "bert_tiny": Entry(
        build=bert,
        inputs=_TOKENS,
        dtypes=(torch.int64,),
        tokens=200,
        needs="transformers",
    ),
    "llama_tiny": Entry(
        build=llama,
        inputs=_TOKENS,
        dtypes=(torch.int64,),
        tokens=200,
        needs="transformers",
    ),
    "gqa_encoder": Entry(
        build=GroupedEncoder, inputs=_TOKENS, dtypes=(torch.int64,), tokens=100
    ),
    "conformer": Entry(build=Conformer, inputs=(InputSpec(shape=(24, 40)),)),
}
