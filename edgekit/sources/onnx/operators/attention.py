"""Attention, standard and fused."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.sources.onnx.call import Call
from edgekit.sources.onnx.registry import MICROSOFT, operator
from edgekit.sources.onnx.values import Value


def _heads(x: Tensor, count: int) -> Tensor:
    """(batch, length, width) as (batch, heads, length, width of a head)."""
    split: Tensor = torch.unflatten(x, -1, (count, -1))
    return split.transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


PLAIN = frozenset(
    ("is_causal", "kv_num_heads", "q_num_heads", "scale", "softmax_precision")
)
"""Attributes of attention that torch's function has."""


@operator("Attention", since=23)
def attention(  # noqa: PLR0913 (the operator's own inputs)
    call: Call,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_k: Tensor | None = None,
    past_v: Tensor | None = None,
    lengths: Tensor | None = None,
) -> tuple[Any, ...]:
    """Compute ONNX's `Attention`."""
    if lengths is not None or call.outputs > 3 or set(call.node.attributes) - PLAIN:
        raise call.refuse("has lengths, a soft cap, a window, or gives its scores")
    flat = q.ndim == 3
    if flat:
        q = _heads(q, call.get("q_num_heads"))
        k, v = (_heads(t, call.get("kv_num_heads")) for t in (k, v))
    if past_k is not None and past_v is not None:
        k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    present = (k, v)
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = (t.repeat_interleave(groups, 1) for t in (k, v))
    bias = _bias(call, q, k, mask, 0 if past_k is None else past_k.shape[2])
    y = F.scaled_dot_product_attention(q, k, v, bias, scale=call.get("scale"))
    return (_joined(y) if flat else y), *present


def _bias(
    call: Call, q: Tensor, k: Tensor, mask: Tensor | None, past: int
) -> Tensor | None:
    bias = mask
    if mask is not None and mask.shape[-1] != k.shape[2]:
        fill = False if mask.dtype == torch.bool else float("-inf")
        bias = F.pad(mask, (0, k.shape[2] - mask.shape[-1]), value=fill)
    if not call.get("is_causal"):
        return bias
    rows = torch.arange(q.shape[2])[:, None] + past
    causal = rows >= torch.arange(k.shape[2])[None, :]
    if bias is None:
        return causal
    if bias.dtype == torch.bool:
        return bias & causal
    return torch.where(causal, bias, float("-inf"))


@operator("Attention", domain=MICROSOFT, raw=(1,), roles=("", "weight", "bias"))
def fused_attention(  # noqa: PLR0913 (the operator's own inputs)
    call: Call,
    x: Tensor,
    w: Value,
    b: Tensor | None = None,
    mask: Tensor | None = None,
    past: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Compute ONNX's `Attention`."""
    if past is not None or call.get("do_rotary"):
        raise call.refuse("carries keys and values, or rotates them")
    weight = call.tensor(w.T if isinstance(w, np.ndarray) else w.t(), "weight")
    width = weight.shape[0] // 3
    sizes = call.get("qkv_hidden_sizes") or [width] * 3
    parts = torch.split(F.linear(x, weight, b), list(sizes), -1)
    count = call.get("num_heads")
    q, k, v = (_heads(t, count) for t in parts)
    return _joined(_attended(call, (q, k, v), mask, bias))


@operator("MultiHeadAttention", domain=MICROSOFT, roles=("", "", "", "bias"))
def multi_head(  # noqa: PLR0913 (the operator's own inputs)
    call: Call,
    q: Tensor,
    k: Tensor | None = None,
    v: Tensor | None = None,
    b: Tensor | None = None,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    *past: Tensor | None,
) -> tuple[Any, ...]:
    """Compute ONNX's `MultiHeadAttention`."""
    if k is None or v is None or q.ndim != 3 or any(p is not None for p in past):
        raise call.refuse("takes packed, or carried, keys and values")
    count = call.get("num_heads")
    parts: list[Tensor] = [q, k, v]
    if b is not None:
        sizes = [t.shape[-1] for t in parts]
        parts = [t + s for t, s in zip(parts, torch.split(b, sizes), strict=True)]
    heads = [t if t.ndim == 4 else _heads(t, count) for t in parts]
    y = _attended(call, (heads[0], heads[1], heads[2]), mask, bias)
    return _joined(y), heads[1], heads[2]


def _attended(
    call: Call,
    heads: tuple[Tensor, Tensor, Tensor],
    mask: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    q, k, v = heads
    added = bias
    if mask is not None:
        if mask.ndim not in (2, 3, 4) or (
            mask.ndim == 2 and mask.shape[1] != k.shape[2]
        ):
            raise call.refuse("has a mask of lengths")
        if mask.ndim == 2:
            mask = mask[:, None, None, :]
        elif mask.ndim == 3:
            mask = mask[:, None]
        low = call.get("mask_filter_value", -10000.0)
        hidden = (1 - mask.to(q.dtype)) * low
        added = hidden if added is None else added + hidden
    if call.get("unidirectional"):
        size = q.shape[2]
        later = torch.ones(size, size, dtype=torch.bool).triu(1)
        causal = torch.zeros(size, size).masked_fill(later, float("-inf"))
        added = causal if added is None else added + causal
    scale = call.get("scale") or None
    return F.scaled_dot_product_attention(q, k, v, added, scale=scale)


@operator("EmbedLayerNormalization", domain=MICROSOFT,
          roles=("", "", "weight", "weight", "weight", "weight", "bias"))  # fmt: skip
def embed_layer_norm(  # noqa: PLR0913 (the operator's own inputs)
    call: Call,
    ids: Tensor,
    segments: Tensor | None,
    words: Tensor,
    positions: Tensor,
    kinds: Tensor | None,
    w: Tensor,
    b: Tensor,
    mask: Tensor | None = None,
) -> tuple[Any, ...]:
    """Compute ONNX's `EmbedLayerNormalization`."""
    total = F.embedding(ids.long(), words) + positions[: ids.shape[1]]
    if segments is not None and kinds is not None:
        total = total + F.embedding(segments.long(), kinds)
    y = F.layer_norm(total, [total.shape[-1]], w, b, call.get("epsilon", 1e-12))
    count = torch.zeros(ids.shape[0], dtype=torch.int32) if mask is None else (
        mask.sum(1).to(torch.int32)
    )  # fmt: skip
    return y, count, total


@operator("RotaryEmbedding", since=23)
def rotary(
    call: Call, x: Tensor, cos: Tensor, sin: Tensor, places: Tensor | None = None
) -> Tensor:
    """Compute ONNX's `RotaryEmbedding`."""
    flat = x.ndim == 3
    if flat:
        x = _heads(x, call.get("num_heads"))
    width = call.get("rotary_embedding_dim", 0) or x.shape[-1]
    turned, rest = x[..., :width], x[..., width:]
    if places is not None:
        cos, sin = F.embedding(places.long(), cos), F.embedding(places.long(), sin)
    cos, sin = (t[..., : width // 2].unsqueeze(1) for t in (cos, sin))
    if call.get("interleaved"):
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = turned.chunk(2, -1)
    real, other = a * cos - b * sin, b * cos + a * sin
    if call.get("interleaved"):
        made = torch.stack([real, other], -1).flatten(-2)
    else:
        made = torch.cat([real, other], -1)
    y = torch.cat([made, rest], -1)
    return _joined(y) if flat else y
