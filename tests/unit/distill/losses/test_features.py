"""Losses between layers, by their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edgekit.distill.losses import features, transformers
from tests.unit.distill.losses.tensors import normal


def test_attention_transfer_sees_where_and_not_how_much() -> None:
    maps = normal(3, 6, 4, 4)
    assert features.attention_transfer(3 * maps, maps).item() == pytest.approx(
        0, abs=1e-6
    )
    one = torch.zeros(1, 2, 2, 2)
    other = one.clone()
    one[..., 0, 0], other[..., 1, 1] = 1.0, 1.0
    assert features.attention_transfer(one, other).item() == pytest.approx(2)
    pair = normal(3, 6, 4, 4, seed=1)
    where = [F.normalize(x.square().mean(1).flatten(1)) for x in (maps, pair)]
    apart = (where[0] - where[1]).square().sum(1).mean()
    torch.testing.assert_close(features.attention_transfer(maps, pair), apart)
    tokens = normal(3, 9, 6)
    as_maps = tokens.transpose(1, 2).reshape(3, 6, 3, 3)
    pair = normal(3, 9, 6, seed=1)
    torch.testing.assert_close(
        features.attention_transfer(tokens, pair),
        features.attention_transfer(as_maps, pair.transpose(1, 2).reshape(3, 6, 3, 3)),
    )


def test_hints_and_hidden_states_by_definition() -> None:
    teacher, student = normal(3, 6, 4, 4), normal(3, 6, 4, 4, seed=1)
    apart = (student - teacher).square().mean() / teacher.square().mean()
    for loss in (features.hints, transformers.hidden_states):
        torch.testing.assert_close(loss(student, teacher), apart)


def test_flow_by_definition() -> None:
    """Yim et al., 2017, equation 1: products of channels, the mean over places."""

    def flow(early: torch.Tensor, late: torch.Tensor) -> torch.Tensor:
        pooled = F.adaptive_max_pool2d(early, late.shape[2:])
        return torch.einsum("bihw,bjhw->bij", pooled, late) / late[0, 0].numel()

    ours, theirs = (
        (normal(3, 5, 4, 4, seed=n), normal(3, 2, 2, 2, seed=n + 1)) for n in (0, 2)
    )
    apart = (flow(*ours) - flow(*theirs)).square().mean()
    expected = apart / flow(*theirs).square().mean()
    torch.testing.assert_close(features.flow(ours, theirs), expected)
