"""Losses on outputs, layers, relations and attention: zero for equals, right by definition."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from edgekit.distill.features import ModelOutputs
from edgekit.distill.losses import LOSSES, features, outputs, relations, transformers
from edgekit.types import LossName


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def view(seed: int) -> ModelOutputs:
    maps = normal(5, 6, 4, 4, seed=seed), normal(5, 8, 2, 2, seed=seed + 10)
    attention = tuple(normal(5, 2, 7, 4, seed=seed + n) for n in (20, 21, 22))
    return ModelOutputs(
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


def test_angles_and_similarities_by_definition() -> None:
    x, y = normal(4, 3), normal(4, 5, seed=1)

    def corner(v: torch.Tensor, i: int, j: int, k: int) -> torch.Tensor:
        one, other = v[i] - v[j], v[k] - v[j]
        cosine = F.cosine_similarity(one, other, dim=0)
        return cosine if j not in (i, k) else torch.zeros(())

    numbers = range(4)
    corners = [
        torch.stack(
            [corner(v, i, j, k) for i in numbers for j in numbers for k in numbers]
        )
        for v in (x, y)
    ]
    torch.testing.assert_close(relations.triangles(x, y), F.smooth_l1_loss(*corners))
    rows = [F.normalize(v @ v.T, dim=1) for v in (x, y)]
    expected = (rows[0] - rows[1]).square().sum() / 4
    torch.testing.assert_close(relations.similarities(x, y), expected)


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


def test_outputs_by_definition() -> None:
    student, teacher = normal(6, 4), normal(6, 4, seed=1)
    p, q = ((x / 2).softmax(1) for x in (student, teacher))
    within = torch.stack(
        [1 - torch.corrcoef(torch.stack(r))[0, 1] for r in zip(p, q, strict=True)]
    )
    between = [
        1 - torch.corrcoef(torch.stack(c))[0, 1] for c in zip(p.T, q.T, strict=True)
    ]
    expected = 4 * (within + torch.stack(between).mean())
    found = outputs.correlations(student, teacher, 2.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    target, both = (
        outputs.decoupled(student, teacher, 2.0, beta=beta) for beta in (0.0, 1.0)
    )
    torch.testing.assert_close(
        outputs.decoupled(student, teacher, 2.0), target + 2 * (both - target)
    )
    apart = (student - teacher).square().mean(1)
    torch.testing.assert_close(outputs.regression(student, teacher), apart)
    turned = torch.tensor([[0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]])
    ahead = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    torch.testing.assert_close(
        outputs.angles(turned, ahead), torch.tensor([1.0, 0.0, 2.0])
    )


def test_what_a_loss_is_shown() -> None:
    """Projected layers where widths differ, steps between layers, the last layer's mean, the
    last attention."""
    student, teacher = view(0), view(1)
    led = replace(student, projected=teacher.features)
    for name in ("hints", "flow", "hidden-states"):
        assert LOSSES[name](led, teacher, 1.0).item() == pytest.approx(0, abs=1e-5)
    last = replace(student, features=(student.features[0], teacher.features[1]))
    for name in ("relation-distances", "relation-angles", "similarities"):
        assert LOSSES[name](last, teacher, 1.0).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES["attention-transfer"](last, teacher, 1.0) > 1e-3
    heads = replace(student, attentions=(student.attentions[0], teacher.attentions[1]))
    found = LOSSES["attention-relations"](heads, teacher, 1.0)
    assert found.item() == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(student.embedding, student.features[-1].mean((2, 3)))
