"""Losses between hidden states and attention of two transformers.

Queries, keys and values are (batch, heads, tokens, size), as attention takes them.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from edgekit.distill.losses.features import hints

Attention = tuple[Tensor, Tensor, Tensor]
"""Query, key and value of one attention."""
RELATION_HEADS = 8


def hidden_states(student: Tensor, teacher: Tensor) -> Tensor:
    """TinyBERT's loss of hidden states (batch, tokens, width), projected to one width: ().

    Jiao et al., 2020, arXiv:1909.10351; over the teacher's mean square, as hints are.
    """
    return hints(student, teacher)


def attention_scores(student: Attention, teacher: Attention) -> Tensor:
    """TinyBERT's squared difference of the unnormalized scores of equally many heads: ().

    Jiao et al., 2020, arXiv:1909.10351; over the teacher's mean square.
    """
    return hints(_scores(student[0], student[1]), _scores(teacher[0], teacher[1]))


def attention_relations(student: Attention, teacher: Attention) -> Tensor:
    """MiniLM v2: divergence of the relations of queries, of keys and of values to themselves: ().

    Wang et al., 2021, arXiv:2012.15828. All heads are joined and split again into as many
    as divide both, so that widths and numbers of heads may differ.
    """
    heads = _shared_heads(_width(student[0]), _width(teacher[0]))
    total = student[0].new_zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        total = total + _divergence(_regrouped(ours, heads), _regrouped(theirs, heads))
    return total / 3


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    ours = F.log_softmax(_scores(student, student), dim=-1)
    theirs = F.log_softmax(_scores(teacher, teacher), dim=-1)
    return F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1).mean()


def _scores(query: Tensor, key: Tensor) -> Tensor:
    scores: Tensor = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores


def _regrouped(x: Tensor, heads: int) -> Tensor:
    batch, _, tokens, _ = x.shape
    return x.transpose(1, 2).reshape(batch, tokens, heads, -1).transpose(1, 2)


def _width(x: Tensor) -> int:
    return x.shape[1] * x.shape[3]


def _shared_heads(*widths: int) -> int:
    return max(
        n for n in range(1, RELATION_HEADS + 1) if all(w % n == 0 for w in widths)
    )
