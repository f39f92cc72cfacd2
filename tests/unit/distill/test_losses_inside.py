"""Losses on outputs, layers, relations and attention: zero for equals, right by definition."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from edgekit.distill.losses import LOSSES, features, outputs, relations, transformers
from edgekit.distill.view import View
from edgekit.types import LossName


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def view(seed: int) -> View:
    maps = normal(5, 6, 4, 4, seed=seed), normal(5, 8, 2, 2, seed=seed + 10)
    attention = tuple(normal(5, 2, 7, 4, seed=seed + n) for n in (20, 21, 22))
    return View(
        output=normal(5, 4, seed=seed + 30),
        features=maps,
        projected=maps,
        attentions=(attention, attention),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", get_args(LossName))
def test_a_network_has_nothing_to_learn_from_itself(name: LossName) -> None:
    loss = LOSSES[name]
    assert loss(view(0), view(0), 2.0).mean() == pytest.approx(0, abs=1e-4)
    assert loss(view(0), view(1), 2.0).mean() > 1e-3


@pytest.mark.parametrize("name", get_args(LossName))
def test_every_loss_leads_towards_the_teacher(name: LossName) -> None:
    """Following its gradient makes it smaller, with finite slopes on the way."""
    teacher, student = view(1), view(0)
    leaves = [
        tensor.requires_grad_()
        for tensor in (student.output, *student.features, *student.attentions[0])
    ]
    optimizer = torch.optim.Adam(leaves, lr=0.05)
    values = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = LOSSES[name](student, teacher, 2.0).mean()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0]
    assert all(leaf.isfinite().all() for leaf in leaves)


def test_decoupled_parts_make_up_soft_targets() -> None:
    """Zhao et al., 2022, equation 7: KD is the target part and the rest, weighed by what the
    teacher leaves to it."""
    student, teacher, temperature = normal(6, 5), normal(6, 5, seed=1), 2.0
    target_part = outputs.decoupled(student, teacher, temperature, beta=0.0)
    both = outputs.decoupled(student, teacher, temperature, beta=1.0)
    left = 1 - (teacher / temperature).softmax(1).amax(1)
    torch.testing.assert_close(
        outputs.soft_targets(student, teacher, temperature),
        target_part + left * (both - target_part),
    )


def test_dist_asks_for_ranking_not_for_values() -> None:
    """A correlation does not see scale: in probabilities, softer answers of one ranking."""
    teacher = normal(8, 4)
    flat, wrong = teacher * 0.9, teacher.flip(1)
    near, far = (outputs.correlations(s, teacher, 1.0).mean() for s in (flat, wrong))
    assert near < 0.05 * far


def test_labels_over_known_positions_only() -> None:
    logits = normal(2, 3, 4)
    targets = torch.tensor([[0, -1, 2, -1], [-1, -1, -1, -1]])
    found = outputs.labels(logits, targets)
    expected = F.cross_entropy(logits[0, :, [0, 2]].T, torch.tensor([0, 2]))
    torch.testing.assert_close(found, torch.stack([expected, torch.zeros(())]))


def test_unsure_boxes_weigh_nothing() -> None:
    teacher = torch.cat([normal(1, 3, 4), torch.full((1, 3, 2), -50.0)], dim=2)
    moved = teacher.clone()
    moved[..., :4] += 5
    assert outputs.detections(moved, teacher).item() == pytest.approx(0, abs=1e-5)
    teacher[..., 4] = moved[..., 4] = 50.0
    assert outputs.detections(moved, teacher).item() == pytest.approx(5, rel=1e-3)


def test_attention_transfer_sees_where_and_not_how_much() -> None:
    maps = normal(3, 6, 4, 4)
    assert features.attention_transfer(3 * maps, maps).item() == pytest.approx(
        0, abs=1e-6
    )
    one = torch.zeros(1, 2, 2, 2)
    other = one.clone()
    one[..., 0, 0], other[..., 1, 1] = 1.0, 1.0
    assert features.attention_transfer(one, other).item() == pytest.approx(2)
    tokens = normal(3, 9, 6)
    as_maps = tokens.transpose(1, 2).reshape(3, 6, 3, 3)
    pair = normal(3, 9, 6, seed=1)
    torch.testing.assert_close(
        features.attention_transfer(tokens, pair),
        features.attention_transfer(as_maps, pair.transpose(1, 2).reshape(3, 6, 3, 3)),
    )


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


def test_attention_relations_join_and_part_the_heads() -> None:
    """Two heads of 6 against three of 4: joined to 12, parted into as many as divide both."""
    student = tuple(normal(2, 2, 5, 6, seed=n) for n in range(3))
    teacher = tuple(
        x.transpose(1, 2).reshape(2, 5, 3, 4).transpose(1, 2) for x in student
    )
    found = transformers.attention_relations(student, teacher)  # type: ignore[arg-type]
    assert found.item() == pytest.approx(0, abs=1e-6)
