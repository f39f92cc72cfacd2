"""Steps of a training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import fx

from edgekit.distill import Hooks, batches, optimize
from edgekit.distill.trainer import Trainer
from edgekit.program.program import Program
from tests.unit.distill.test_optimize import RECIPE, distilled, weight
from tests.unit.distill.test_train import RECIPE as FOUR_SIDES
from tests.unit.distill.test_train import distilled as distilled_sides
from tests.unit.distill.test_train import network


def test_parts_of_a_batch_add_up_to_it() -> None:
    """Unequal ones too: 12 samples in 5 parts."""
    whole = distilled(RECIPE)
    parts = distilled(replace(RECIPE, accumulate=5))
    torch.testing.assert_close(weight(parts), weight(whole))
    assert parts.epochs[1].loss == pytest.approx(whole.epochs[1].loss, rel=1e-5)


def test_a_step_of_large_activations_is_taken_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    part = Trainer._part

    def counting(
        self: Trainer, indices: torch.Tensor, mine: torch.Tensor, *more: Any
    ) -> torch.Tensor:
        seen.append(len(mine))
        return part(self, indices, mine, *more)

    monkeypatch.setattr(Trainer, "_part", counting)
    once = replace(RECIPE, epochs=1)
    whole = distilled(once)
    assert {*seen} == {12}
    seen.clear()
    monkeypatch.setattr(optimize, "ACTIVATIONS", 1)
    monkeypatch.setattr(optimize, "_PART", 3)
    parts = distilled(once)
    assert {*seen} == {3}
    torch.testing.assert_close(weight(parts), weight(whole))


def test_what_is_kept_is_the_moving_average() -> None:
    walked: list[torch.Tensor] = []

    def watch(module: fx.GraphModule) -> None:
        walked.append(module.get_parameter("weight").detach().clone())

    start = weight(distilled(replace(RECIPE, learning_rate=1e-12)))
    found = distilled(replace(RECIPE, ema=0.8), Hooks(after_step=watch))
    average = start
    kept = [start]
    for step, value in enumerate(walked, 1):
        decay = min(0.8, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
        kept.append(average)
    expected = kept[found.kept_epoch * len(walked) // RECIPE.epochs]
    torch.testing.assert_close(weight(found), expected)
    assert not torch.allclose(weight(found), walked[-1])


@pytest.fixture(scope="module")
def teacher() -> Program:
    """A network that learned the task from labels alone."""
    start = network(16, 0)
    recipe = replace(FOUR_SIDES, soft_weight=0.0, epochs=6)
    return distilled_sides(start, start, recipe=recipe).program


def test_batch_norm_learns_its_statistics(teacher: Program) -> None:
    student = network(4, 1)
    program = distilled_sides(teacher, student).program
    before, after = (p.module.state_dict()["1.running_var"] for p in (student, program))
    assert (before == 1).all()
    assert (after != 1).all()


def test_a_last_batch_too_small_for_batch_norm_is_left_out() -> None:
    assert batches.steps_of(33, 16) == 2
    assert batches.steps_of(33, 10) == 4
    assert batches.steps_of(34, 16) == 3
    assert batches.steps_of(35, 16, parts=2) == 2
    assert batches.steps_of(3, 16) == 1
