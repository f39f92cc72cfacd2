"""Likelihood of text under logits of a runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def next_token_nll(logits: np.ndarray, row: Sequence[int]) -> float:
    """The mean negative log-likelihood of each next token, in nats.

    `logits` are (length, vocabulary), of the row's tokens in order.
    """
    inner = logits[:-1].astype(np.float64)
    inner -= inner.max(-1, keepdims=True)
    chosen = np.take_along_axis(inner, np.asarray(row[1:])[:, None], -1)[:, 0]
    return float((np.log(np.exp(inner).sum(-1)) - chosen).mean())
