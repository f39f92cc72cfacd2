"""The loss that looks at things, by its definition."""

from __future__ import annotations

import pytest
import torch

from edgekit.distill.losses.focal import focal_features
from tests.unit.distill.losses.tensors import normal

WHOLE = (0.0, 0.0, 1.0, 1.0)
NONE = (1.0, 1.0, 0.0, 0.0)


def regions(*boxes: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor([boxes])


def off(row: int, column: int, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """A student that is off at one place, and its teacher; both attend to all places alike."""
    teacher = torch.ones(1, 3, size, size)
    student = teacher.clone()
    student[:, :, row, column] = -1  # as active as before
    return student, teacher


def test_the_sum_of_the_paper() -> None:
    """Yang et al., 2022, equations 2 to 9, place by place; a box over a fourth of the map."""
    student, teacher = normal(1, 3, 4, 4), normal(1, 3, 4, 4, seed=1)
    heat = 0.5

    def attention(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        where = (maps[0].abs().mean(0).flatten() / heat).softmax(0) * 16
        what = (maps[0].abs().mean((1, 2)) / heat).softmax(0) * 3
        return where.view(4, 4), what

    where, what = attention(teacher)
    things = rest = 0.0
    for row in range(4):
        for column in range(4):
            for channel in range(3):
                apart = (teacher - student)[0, channel, row, column] ** 2 / 3
                seen = float(where[row, column] * what[channel] * apart)
                if row < 2 and column < 2:
                    things += seen / 4
                else:
                    rest += seen / 12
    ours = attention(student)
    drift = (ours[0] - where).abs().mean() + (ours[1] - what).abs().mean()
    expected = (things + 0.5 * rest) / teacher.square().mean() + 0.5 * drift
    found = focal_features(student, teacher, regions((0.0, 0.0, 0.5, 0.5), NONE))
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=1e-4, atol=1e-6)


def test_small_and_large_things_count_the_same() -> None:
    boxes = regions((0.0, 0.0, 0.25, 0.25), (0.5, 0.5, 1.0, 1.0))
    small = focal_features(*off(0, 0), boxes)
    large = focal_features(*off(2, 2), boxes)
    around = focal_features(*off(0, 3), boxes)
    assert small / large == pytest.approx(4, rel=1e-4)
    assert small / around == pytest.approx((1 / 2) / (0.5 / 11), rel=1e-4)


def test_without_things_all_is_around() -> None:
    student, teacher = off(1, 1)
    none, everything = (
        focal_features(student, teacher, regions(box)) for box in (NONE, WHOLE)
    )
    assert none / everything == pytest.approx(0.5, rel=1e-4)
