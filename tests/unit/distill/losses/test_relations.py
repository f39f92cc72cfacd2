"""Losses on relations between samples, by their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edgekit.distill.losses import relations
from tests.unit.distill.losses.tensors import normal


def test_relations_by_definition() -> None:
    x, y = normal(4, 3), normal(4, 5, seed=1)
    away = ~torch.eye(4, dtype=torch.bool)
    spread = [torch.cdist(v, v) / torch.cdist(v, v)[away].mean() for v in (x, y)]
    torch.testing.assert_close(
        relations.distances(x, y), F.smooth_l1_loss(*spread), rtol=1e-4, atol=1e-5
    )
    # A relation does not see a turn, nor, of distances and angles, a move or a scale.
    turn, _ = torch.linalg.qr(normal(3, 3, seed=2))
    for loss, other in (
        (relations.distances, 2 * x @ turn + 1),
        (relations.triangles, 2 * x @ turn + 1),
        (relations.similarities, 2 * x @ turn),
    ):
        assert loss(other, x).item() == pytest.approx(0, abs=1e-5)


def test_angles_and_similarities_by_definition() -> None:
    x, y = normal(4, 3), normal(4, 5, seed=1)

    def corner(v: torch.Tensor, i: int, j: int, k: int) -> torch.Tensor:
        one, other = v[i] - v[j], v[k] - v[j]
        cosine = F.cosine_similarity(one, other, dim=0)
        return cosine if j not in (i, k) else torch.zeros(())

    indices = range(4)
    corners = [
        torch.stack(
            [corner(v, i, j, k) for i in indices for j in indices for k in indices]
        )
        for v in (x, y)
    ]
    torch.testing.assert_close(relations.triangles(x, y), F.smooth_l1_loss(*corners))
    rows = [F.normalize(v @ v.T, dim=1) for v in (x, y)]
    expected = (rows[0] - rows[1]).square().sum() / 4
    torch.testing.assert_close(relations.similarities(x, y), expected)
