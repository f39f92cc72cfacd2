"""Attention layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.program.channel_order import Value
from edgekit.sources.keras.layers.registry import Layer, builds, weight


class MultiHeadAttention(nn.Module):
    """Kernels are kept as torch's linear layers have them: (heads * width, inputs)."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        biased = bool(layer.get("use_bias", True))
        step = 2 if biased else 1
        self.heads, self.width = layer.tensor(0).shape[1:]
        layer.refuse("attention_axes", [1], 1)
        layer.refuse("flash_attention", False)
        for number, name in enumerate(("query", "key", "value", "output")):
            kernel = layer.tensor(number * step)
            flat = kernel.flatten(0, 1) if name == "output" else kernel.flatten(1)
            made = nn.Linear(flat.shape[0], flat.shape[1], bias=biased)
            made.weight = weight(flat.T)
            if biased:
                made.bias = weight(layer.tensor(number * step + 1).flatten())
            self.add_module(name, made)

    def forward(
        self,
        query: Value,
        value: Value,
        key: Value | None = None,
        *,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        """(batch, queries, width) over (batch, keys, width); also the weights on request."""
        _refuse_masks(kwargs)
        q, k, v = (
            self._split(name, each.last())
            for name, each in (
                ("query", query),
                ("key", key or value),
                ("value", value),
            )
        )
        scores = q @ k.transpose(-1, -2) * self.width**-0.5
        weights = F.softmax(_causal(scores) if use_causal_mask else scores, -1)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        found = Value(self.get_submodule("output")(mixed))
        return [found, Value(weights)] if return_attention_scores else found

    def _split(self, name: str, x: Tensor) -> Tensor:
        """(batch, heads, steps, width)."""
        made: Tensor = self.get_submodule(name)(x)
        return made.reshape(*made.shape[:2], self.heads, -1).transpose(1, 2)


def _causal(scores: Tensor) -> Tensor:
    """Scores (..., queries, keys) without those of later keys."""
    seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return scores.masked_fill(~seen, float("-inf"))


def _refuse_masks(kwargs: dict[str, Any]) -> None:
    for name, value in kwargs.items():
        if value is not None and (name.endswith("mask") or isinstance(value, Value)):
            raise ValueError(f"{name} is not supported")


@builds("MultiHeadAttention")
def multi_head(layer: Layer) -> nn.Module:
    """Build the module of Keras's `MultiHeadAttention`."""
    return MultiHeadAttention(layer)


class Attention(nn.Module):
    """Of a query over values: by products, or by a layer of their sum (`additive`)."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.additive = layer.kind == "AdditiveAttention"
        layer.refuse("score_mode", "dot")
        scaled = bool(layer.get("use_scale", self.additive))
        self.scale = weight(layer.tensor(0)) if scaled else None
        self.causal = bool(layer.get("causal", False))

    def forward(
        self,
        values: Sequence[Value],
        *,
        use_causal_mask: bool = False,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        """[query, value] or [query, value, key], each (batch, steps, width)."""
        _refuse_masks(kwargs)
        query, value, *rest = (each.last() for each in values)
        key = rest[0] if rest else value
        scores = self._scores(query, key)
        weights = F.softmax(
            _causal(scores) if use_causal_mask or self.causal else scores, -1
        )
        found = Value(weights @ value)
        return [found, Value(weights)] if return_attention_scores else found

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        if self.additive:
            sums = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
            return (sums if self.scale is None else self.scale * sums).sum(-1)
        scores = query @ key.transpose(-1, -2)
        return scores if self.scale is None else scores * self.scale


@builds("Attention", "AdditiveAttention")
def attention(layer: Layer) -> nn.Module:
    """Build the module of Keras's `Attention` and `AdditiveAttention`."""
    return Attention(layer)
