"""Attention, as sums over heads and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.sources.keras.reference.activations import FORMULAS
from edgekit.sources.keras.reference.walk import Array, Defined, defines


def _causal(scores: Array) -> Array:
    queries, keys = scores.shape[-2:]
    return np.where(np.arange(queries)[:, None] >= np.arange(keys), scores, -np.inf)


@defines("MultiHeadAttention")
def multi_head(
    layer: Defined,
    query: Array,
    value: Array,
    key: Any = None,
    use_causal_mask: bool = False,
    return_attention_scores: bool = False,
) -> Any:
    """Compute Keras's `MultiHeadAttention` on arrays, by its definition."""
    step = 2 if layer.get("use_bias", True) else 1
    parts = [layer.weights[n : n + step] for n in range(0, 4 * step, step)]

    def projected(x: Array, part: Sequence[Array], equation: str) -> Array:
        found = np.einsum(equation, x, part[0])
        return found + part[1] if step == 2 else found

    inside = "bti,ihd->bthd"
    q = projected(query, parts[0], inside)
    k = projected(value if key is None else key, parts[1], inside)
    v = projected(value, parts[2], inside)
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    weights = FORMULAS["softmax"](_causal(scores) if use_causal_mask else scores)
    mixed = np.einsum("bhqk,bkhd->bqhd", weights, v)
    found = projected(mixed, parts[3], "bqhd,hdo->bqo")
    return [found, weights] if return_attention_scores else found


@defines("Attention", "AdditiveAttention")
def attention(
    layer: Defined,
    values: Sequence[Array],
    use_causal_mask: bool = False,
    return_attention_scores: bool = False,
) -> Any:
    """Compute Keras's `Attention` and `AdditiveAttention` on arrays, by its definition."""
    query, value, *rest = values
    key = rest[0] if rest else value
    additive = layer.kind == "AdditiveAttention"
    scale = layer.weights[0] if layer.get("use_scale", additive) else 1.0
    if additive:
        scores = (scale * np.tanh(query[:, :, None] + key[:, None])).sum(-1)
    else:
        scores = scale * np.einsum("bqd,bkd->bqk", query, key)
    causal = use_causal_mask or layer.get("causal", False)
    weights = FORMULAS["softmax"](_causal(scores) if causal else scores)
    found = np.einsum("bqk,bkd->bqd", weights, value)
    return [found, weights] if return_attention_scores else found
