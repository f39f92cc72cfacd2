"""Losses between transformers, by their definitions."""

from __future__ import annotations

import pytest
import torch

from edgekit.distill.losses import features, transformers
from tests.unit.distill.losses.tensors import normal


def test_attention_relations_join_and_part_the_heads() -> None:
    """Two heads of 6 against three of 4: joined to 12, parted into as many as divide both."""
    student = tuple(normal(2, 2, 5, 6, seed=n) for n in range(3))
    teacher = tuple(
        x.transpose(1, 2).reshape(2, 5, 3, 4).transpose(1, 2) for x in student
    )
    found = transformers.attention_relations(student, teacher)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(0, abs=1e-6)


def test_attention_by_definition() -> None:
    ours, theirs = (
        tuple(normal(2, 1, 5, 7, seed=seed + n) for n in range(3)) for seed in (0, 3)
    )
    scores = [q @ k.transpose(2, 3) / 7**0.5 for q, k, _ in (ours, theirs)]
    torch.testing.assert_close(
        transformers.attention_scores(ours, theirs), features.hints(*scores)
    )
    apart = []
    for mine, other in zip(ours, theirs, strict=True):
        shared = [x.transpose(1, 2).reshape(2, 5, 7, 1) for x in (mine, other)]
        q, p = (
            torch.einsum("bihd,bjhd->bhij", x, x).softmax(-1) for x in shared
        )  # seven heads of one
        apart.append((p * (p / q).log()).sum(-1).mean())
    found = transformers.attention_relations(ours, theirs)
    torch.testing.assert_close(found, sum(apart) / 3, rtol=1e-4, atol=1e-5)
