"""Every loss: zero for equals, and a gradient towards the teacher."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from edgekit.distill.features import ModelOutputs
from edgekit.distill.losses import LOSSES
from edgekit.types import LossName
from tests.unit.distill.losses.tensors import normal


def view(seed: int) -> ModelOutputs:
    maps = normal(5, 6, 4, 4, seed=seed), normal(5, 8, 2, 2, seed=seed + 10)
    attention = tuple(normal(5, 2, 7, 4, seed=seed + n) for n in (20, 21, 22))
    return ModelOutputs(
        output=normal(5, 4, seed=seed + 30),
        features=maps,
        projected=maps,
        attentions=(attention, attention),  # type: ignore[arg-type]
        regions=torch.tensor([[[0.0, 0.0, 0.6, 1.0]]]).expand(5, 1, 4),
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
